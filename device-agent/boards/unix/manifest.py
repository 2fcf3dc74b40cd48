# What the unix port is born with.
include("$(MPY_DIR)/extmod/asyncio")
package("mpyd", base_path="../../ports/micropython/python")
package("mpyd")  # joins the one above

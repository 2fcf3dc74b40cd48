include("$(MPY_DIR)/extmod/asyncio")
freeze("python")
freeze("../../ports/micropython/python")

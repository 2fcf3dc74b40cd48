# The agent as a user C module of MicroPython: make -C ports/... USER_C_MODULES=<repo>/device-agent/ports
#
# A board without a host's libraries sets, on the command line or in its own makefile:
#   MPYD_LIBS        what to link: libsodium (or the part of it that is used) and nanopb
#   MPYD_INCLUDES    -I options for tl/expected.hpp, nanopb and sodium.h, if the compiler does not find them
# Through a link too.
MPYD_REPO := $(realpath $(USERMOD_DIR)/../../..)
# Spelled so that MicroPython does not recognise it as a folder in USER_C_MODULES: it would put our objects into
# $(BUILD)/micropython, where the unix port wants to put the program.
MPYD_DIR := $(MPYD_REPO)/./device-agent/ports/micropython
MPYD_GENERATED := $(abspath $(BUILD))/mpyd
MPYD_LIBS ?= -lsodium -lprotobuf-nanopb

# The sources that "add_library(TARGET" names in a CMakeLists.txt: CMake and make share one list.
mpyd_sources = $(addprefix $(MPYD_REPO)/$(1)/,$(filter %.cpp,\
  $(shell sed -n '/^add_library($(2) /,/)/p' $(MPYD_REPO)/$(1)/CMakeLists.txt | tr '()' '  ')))

SRC_USERMOD_C += $(addprefix $(MPYD_DIR)/, driver_module.c exec_memory.c handle.c host_call.c linux_i2c.c modmpyd.c)

SRC_USERMOD_LIB_CXX += $(addprefix $(MPYD_DIR)/, bridge.cpp cxx_runtime.cpp firmware_abi.cpp loader.cpp ports.cpp)
SRC_USERMOD_LIB_CXX += $(call mpyd_sources,protocol,mpyd_protocol)
SRC_USERMOD_LIB_CXX += $(call mpyd_sources,protocol,mpyd_protocol_sodium)
MPYD_CORE := $(call mpyd_sources,device-agent/core,mpyd_agent_core)
SRC_USERMOD_LIB_CXX += $(MPYD_CORE)

MPYD_MESSAGES := device identity package trust
MPYD_MESSAGE_SOURCES := $(patsubst %,$(MPYD_GENERATED)/mpyd/v1/%.npb.c,$(MPYD_MESSAGES))
SRC_USERMOD_LIB_C += $(MPYD_MESSAGE_SOURCES)

.SECONDARY: $(MPYD_MESSAGE_SOURCES)
# Headers before whatever includes them; the compiler's own dependency files know the rest.
$(MPYD_GENERATED)/mpyd/v1/%.npb.c $(MPYD_GENERATED)/mpyd/v1/%.npb.h: \
    $(MPYD_REPO)/schema/mpyd/v1/%.proto $(MPYD_REPO)/schema/mpyd/v1/%.options $(MPYD_REPO)/schema/generate-nanopb
	$(Q)mkdir -p $(dir $@)
	$(Q)$(MPYD_REPO)/schema/generate-nanopb $(MPYD_GENERATED) $*
$(patsubst %.cpp,$(BUILD)/%.o,$(SRC_USERMOD_LIB_CXX)): | $(MPYD_MESSAGE_SOURCES:.c=.h)

CFLAGS_USERMOD += $(MPYD_INCLUDES) -I$(MPYD_REPO) -I$(MPYD_GENERATED)
# MicroPython makes warnings errors, and g++ 12 is mistaken about tl::expected<void>, differently at each -O level.
CXXFLAGS_USERMOD += -Wno-maybe-uninitialized
CXXFLAGS_USERMOD += -std=c++20 -fno-exceptions -fno-rtti -fno-threadsafe-statics \
  -fno-unwind-tables -fno-asynchronous-unwind-tables -Wno-missing-field-initializers

# See exec_memory.h.
LDFLAGS_USERMOD += -Wl,--wrap=gc_collect_root,--wrap=gc_collect_end,--wrap=mp_unix_alloc_exec $(MPYD_LIBS)

# Hooks for tests: `deploy/micropython unix-test` builds MicroPython with this module beside the agent.
MPYD_HOOKS_DIR := $(USERMOD_DIR)

SRC_USERMOD_C += $(MPYD_HOOKS_DIR)/modmpyd_test.c

LDFLAGS_USERMOD += -Wl,--wrap=gc_alloc,--wrap=gc_realloc,--wrap=mmap64,--wrap=munmap

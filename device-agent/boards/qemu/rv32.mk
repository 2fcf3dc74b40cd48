# MicroPython's own port for QEMU with the agent, for its RISC-V board. Nothing of that port is changed; this is what its
# Makefile does not know: C++, the agent, a library to link, and a little hardware. deploy/micropython qemu-rv32 calls it
# in ports/qemu and knows what the variables are.
#
#   LIBSODIUM NANOPB   sources of these
#   LIBSTDCXX          a libstdc++ whose headers compile for a bare RISC-V: the compiler comes with none
#   BUILD              where everything goes
ifeq ($(LIBSTDCXX),)
$(error use deploy/micropython qemu-rv32)
endif
MPYD_BOARDS := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))/..)

BOARD = VIRT_RV32
MICROPY_VFS_LFS2 = 1
MICROPY_HEAP_SIZE = 262144
FROZEN_MANIFEST = $(MPYD_BOARDS)/qemu/manifest.py

# The boards share what reaches the host through the emulator.
vpath %.c $(MPYD_BOARDS)/qemu $(MPYD_BOARDS)/mps2
SRC_C += virt.c modhost.c semihosting.c host_files.c
CFLAGS_EXTRA += -I$(MPYD_BOARDS)/mps2 -DMP_CONFIGFILE='"$(MPYD_BOARDS)/qemu/mpconfigboard.h"'

all:
include Makefile

# The assembler's flags name an extension by which the compiler finds no library of its own.
LDFLAGS += -march=rv32imac
LIBS += $(MPYD_LIBS)
$(BUILD)/firmware.elf: $(MPYD_LIBS)
CXXFLAGS += $(filter-out -std=gnu99 -Wpointer-arith,$(CFLAGS)) -ffreestanding -isystem $(LIBSTDCXX) -isystem $(LIBSTDCXX_TARGET)

LIBRARY_CFLAGS = $(AFLAGS) $(SPECS_FRAGMENT)
include $(MPYD_BOARDS)/libraries.mk

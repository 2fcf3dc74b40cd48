# libsodium and nanopb for firmware, from their sources: $(BUILD)/libsodium.a, $(BUILD)/libnanopb.a. The makefile that
# includes this sets LIBSODIUM, NANOPB and LIBRARY_CFLAGS, the options that say what processor it is.

# Everything is compiled, and what is used is linked.
SODIUM_DIR = $(LIBSODIUM)/src/libsodium
SODIUM_C := $(filter-out %/randombytes.c %/randombytes_sysrandom.c %/randombytes_internal_random.c $(SODIUM_DIR)/crypto_scalarmult/curve25519/sandy2x/%,$(shell find $(SODIUM_DIR) -name '*.c'))
SODIUM_O = $(patsubst $(SODIUM_DIR)/%.c,$(BUILD)/sodium/%.o,$(SODIUM_C))
LIBRARY_OPTIONS = $(LIBRARY_CFLAGS) -Os -ffunction-sections -fdata-sections -fstack-usage

# The ladder does without the multiplication by the base point and its tables; nothing here calls that.
$(BUILD)/sodium/crypto_scalarmult/curve25519/ref10/x25519_ref10.o: SODIUM_EXTRA = -Dge25519_scalarmult_base=mpyd_no_base_mult
$(BUILD)/sodium/%.o: $(SODIUM_DIR)/%.c | $(BUILD)/sodium-include/sodium/version.h
	$(Q)$(MKDIR) -p $(dir $@)
	$(Q)$(CC) $(LIBRARY_OPTIONS) -DNDEBUG -std=gnu11 -DCONFIGURED=1 -DNATIVE_LITTLE_ENDIAN=1 \
	  -DSODIUM_STATIC=1 $(SODIUM_EXTRA) -I$(BUILD)/sodium-include/sodium -I$(BUILD)/sodium-include -c $< -o $@
$(BUILD)/sodium-include/sodium/version.h: $(SODIUM_DIR)/include/sodium/version.h.in
	$(Q)$(MKDIR) -p $(dir $@)
	$(Q)cp -r $(SODIUM_DIR)/include/. $(BUILD)/sodium-include
	$(Q)sed -e 's/@VERSION@/1.0.18/; s/@SODIUM_LIBRARY_VERSION_MAJOR@/10/; s/@SODIUM_LIBRARY_VERSION_MINOR@/3/; s/@SODIUM_LIBRARY_MINIMAL_DEF@//' $< > $@
$(BUILD)/libsodium.a: $(SODIUM_O)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^
NANOPB_O = $(addprefix $(BUILD)/nanopb/,pb_common.o pb_encode.o pb_decode.o)
$(BUILD)/nanopb/%.o: $(NANOPB)/%.c
	$(Q)$(MKDIR) -p $(dir $@)
	$(Q)$(CC) $(LIBRARY_OPTIONS) -DPB_NO_ERRMSG -c $< -o $@
$(BUILD)/libnanopb.a: $(NANOPB_O)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

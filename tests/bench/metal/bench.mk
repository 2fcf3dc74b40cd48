# Firmware that measures itself: deploy/micropython mps2-bench. Included by device-agent/boards/mps2/Makefile. What is
# measured is what users have; the linker puts the counting between its parts.
MPYD_BENCH_DIR := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
MPYD_BENCH_O := $(addprefix $(BUILD)/bench/,crypto.o depth.o heap.o ledger.o session.o)
OBJ += $(MPYD_BENCH_O)
$(BUILD)/bench/%.o: $(MPYD_BENCH_DIR)/%.cpp
	$(ECHO) "CXX $<"
	$(Q)$(MKDIR) -p $(dir $@)
	$(Q)$(CXX) $(CXXFLAGS) -c -MD -MF $(@:.o=.d) -o $@ $<
$(MPYD_BENCH_O): | $(MPYD_MESSAGE_SOURCES:.c=.h) $(BUILD)/sodium-include/sodium/version.h
-include $(MPYD_BENCH_O:.o=.d)

comma := ,
LDFLAGS_USERMOD += $(addprefix -Wl$(comma)--wrap=,mpyd_bridge_start mpyd_bridge_poll mpyd_call mpyd_module_load \
  mpyd_module_run mpyd_module_attach mpyd_code_room mpyd_code_has_room ethernet_poll gc_collect gc_alloc gc_realloc \
  crypto_sign_ed25519_verify_detached crypto_scalarmult_curve25519 crypto_box_curve25519xchacha20poly1305_beforenm \
  crypto_hash_sha256_init crypto_hash_sha256_update crypto_hash_sha256_final \
  crypto_aead_xchacha20poly1305_ietf_encrypt crypto_aead_xchacha20poly1305_ietf_decrypt \
  crypto_secretbox_xchacha20poly1305_easy crypto_secretbox_xchacha20poly1305_open_easy \
  crypto_secretstream_xchacha20poly1305_init_pull crypto_secretstream_xchacha20poly1305_pull)

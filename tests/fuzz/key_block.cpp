// A key block, as it comes from an EEPROM or beside a package.
#include "protocol/package/key_block.hpp"

#include "tests/fuzz/fuzz.hpp"
#include "tests/support/keys.hpp"

using namespace mpyd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const test::ExchangePair kRecipient = test::make_exchange_pair(1);
  static const ContentKey kKey = test::random_fixed<ContentKey>(7);
  const Bytes block = as_bytes(data, size);
  const auto bytes = key_block_bytes(block);
  if (!bytes) {
    FUZZ_CHECK(!has_recipient(block, key_id(kRecipient.key.bytes())));
    FUZZ_CHECK(
        !open_content_key(block, kRecipient.secret, kRecipient.key, {}, commitment_of(kKey)));
    return 0;
  }
  FUZZ_CHECK(*bytes <= kKeyBlockBytesMax);
  has_recipient(block, key_id(kRecipient.key.bytes()));
  const auto key = open_content_key(block, kRecipient.secret, kRecipient.key,
                                    test::random_fixed<Digest>(3), commitment_of(kKey));
  if (key) FUZZ_CHECK(commitment_of(*key) == commitment_of(kKey));
  if (size < *bytes) return 0;
  // A block of the same entries is the same block.
  std::array<std::byte, kKeyBlockBytesMax> again{};
  const Bytes entries = block.first(*bytes).subspan(kKeyBlockFixedBytes);
  const auto written = format_key_block(entries, again);
  if (written) FUZZ_CHECK(key_block_bytes(Bytes(again).first(*written)) == *bytes);
  return 0;
}

#include "server/util/encoding.hpp"

#include <sodium.h>

namespace mpyd::server {
namespace {

std::string encode_base64(Bytes bytes, int variant) {
  std::string out(sodium_base64_encoded_len(bytes.size(), variant), '\0');
  sodium_bin2base64(out.data(), out.size(), u8(bytes), bytes.size(), variant);
  out.pop_back();  // the NUL libsodium writes
  return out;
}

}  // namespace

std::string to_hex(Bytes bytes) {
  std::string out(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(out.data(), out.size(), u8(bytes), bytes.size());
  out.pop_back();
  return out;
}

std::string to_base64(Bytes bytes) { return encode_base64(bytes, sodium_base64_VARIANT_ORIGINAL); }

std::string to_base64url(Bytes bytes) {
  return encode_base64(bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

Result<ByteVector> from_hex(std::string_view text) {
  if (text.empty()) return ByteVector();  // libsodium takes no null pointer, not even for nothing
  ByteVector out(text.size() / 2 + 1);
  std::size_t size = 0;
  const char* end = nullptr;
  if (sodium_hex2bin(u8(MutableBytes(out)), out.size(), text.data(), text.size(), nullptr, &size,
                     &end) != 0 ||
      end != text.data() + text.size())
    return fail(Errc::malformed, "not hexadecimal");
  out.resize(size);
  return out;
}

Result<ByteVector> from_base64(std::string_view text) {
  ByteVector out(text.size() / 4 * 3 + 3);
  std::size_t size = 0;
  const char* end = nullptr;
  if (sodium_base642bin(u8(MutableBytes(out)), out.size(), text.data(), text.size(), nullptr, &size,
                        &end, sodium_base64_VARIANT_ORIGINAL) != 0 ||
      end != text.data() + text.size())
    return fail(Errc::malformed, "not base64");
  out.resize(size);
  return out;
}

}  // namespace mpyd::server

#include <array>

#include "protocol/eeprom/life.hpp"
#include "protocol/eeprom/names.hpp"

namespace mpyd::eeprom {
namespace {

// "JSON" | length u8 | an object of that many bytes.
constexpr std::uint32_t kHeaderBytes = 5;
constexpr std::uint32_t kJsonBytesMax = 255;
constexpr unsigned kDepthMax = 8;

// Of a JSON object the text members `name` and `driver`. All else is stepped over, not judged.
class ObjectReader {
 public:
  explicit ObjectReader(std::string_view json) : rest_(json) {}

  FieldText name, driver;

  // Errors: truncated, malformed, limit (a text too long for a hardware ID, too deep), trailing.
  Result<void> read() {
    MPYD_TRY(expect('{'));
    skip_space();
    if (peek() != '}') {
      do MPYD_TRY(read_member());
      while (take(','));
    }
    MPYD_TRY(expect('}'));
    skip_space();
    return unpadded(as_bytes(rest_)).empty() ? Result<void>{} : fail(Errc::trailing);
  }

 private:
  Result<void> read_member() {
    FieldText key;
    MPYD_TRY(read_text(&key));
    MPYD_TRY(expect(':'));
    FieldText* const wanted = key.view() == "name"     ? &name
                              : key.view() == "driver" ? &driver
                                                       : nullptr;
    if (wanted == nullptr) return skip_value();
    // Of two the badges in the field do not agree which counts.
    if (!wanted->empty()) return fail(Errc::malformed);
    return read_text(wanted);
  }

  // Without `out` the text is stepped over.
  Result<void> read_text(FieldText* out) {
    MPYD_TRY(expect('"'));
    while (true) {
      MPYD_TRY_ASSIGN(const char c, next());
      if (c == '"') return {};
      std::uint32_t code = static_cast<unsigned char>(c);
      // Neither stands in JSON; an erased part reads 0xff.
      if (code < 0x20 || code == 0xff) return fail(Errc::malformed);
      const bool is_escape = c == '\\';
      if (is_escape) {
        MPYD_TRY_ASSIGN(code, read_escape());
      }
      if (out == nullptr) continue;
      if (!(is_escape ? append_utf8(*out, code) : out->append(c))) return fail(Errc::limit);
    }
  }

  Result<std::uint32_t> read_escape() {
    MPYD_TRY_ASSIGN(const char c, next());
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
    for (std::size_t i = 0; i < kNames.size(); ++i)
      if (kNames[i] == c) return std::uint32_t{static_cast<unsigned char>(kValues[i])};
    if (c != 'u') return fail(Errc::malformed);
    MPYD_TRY_ASSIGN(const std::uint32_t high, read_hex());
    if (high < 0xd800 || high > 0xdfff) return high;
    // Two make one character.
    if (high > 0xdbff || !rest_.starts_with("\\u")) return fail(Errc::malformed);
    rest_.remove_prefix(2);
    MPYD_TRY_ASSIGN(const std::uint32_t low, read_hex());
    if (low < 0xdc00 || low > 0xdfff) return fail(Errc::malformed);
    return 0x10000 + ((high - 0xd800) << 10 | (low - 0xdc00));
  }

  Result<std::uint32_t> read_hex() {
    std::uint32_t out = 0;
    for (int i = 0; i < 4; ++i) {
      MPYD_TRY_ASSIGN(const char c, next());
      const char lower = static_cast<char>(c | 0x20);
      if (c >= '0' && c <= '9')
        out = out << 4 | static_cast<std::uint32_t>(c - '0');
      else if (lower >= 'a' && lower <= 'f')
        out = out << 4 | static_cast<std::uint32_t>(lower - 'a' + 10);
      else
        return fail(Errc::malformed);
    }
    return out;
  }

  // Whatever stands there, up to the comma or bracket behind it.
  Result<void> skip_value() {
    unsigned depth = 0;
    while (true) {
      skip_space();
      const char c = peek();
      if (depth == 0 && (c == ',' || c == '}')) return {};
      if (c == '"') {
        MPYD_TRY(read_text(nullptr));
        continue;
      }
      MPYD_TRY(next());
      if ((c == '{' || c == '[') && ++depth > kDepthMax) return fail(Errc::limit);
      if (c == '}' || c == ']') {
        if (depth == 0) return fail(Errc::malformed);
        --depth;
      }
    }
  }

  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  Result<char> next() {
    if (rest_.empty()) return fail(Errc::truncated);
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  bool take(char wanted) {
    skip_space();
    if (peek() != wanted || rest_.empty()) return false;
    rest_.remove_prefix(1);
    return true;
  }
  Result<void> expect(char wanted) {
    if (take(wanted)) return {};
    return fail(rest_.empty() ? Errc::truncated : Errc::malformed);
  }
  void skip_space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r')
      rest_.remove_prefix(1);
  }

  std::string_view rest_;
};

}  // namespace

bool looks_like_life_json(Bytes start) { return as_text(start.subspan(1, 3)) == "SON"; }

Result<void> read_life_json(Source& source, BoardIdentity& out) {
  std::array<std::byte, kHeaderBytes> header{};
  MPYD_TRY(source.read(0, header));
  const std::uint32_t length = load_u8(header, 4);
  std::array<std::byte, kJsonBytesMax> json{};
  MPYD_TRY(source.read(kHeaderBytes, MutableBytes(json).first(length)));
  ObjectReader object(as_text(Bytes(json).first(length)));
  MPYD_TRY(object.read());
  MPYD_TRY(set_hardware_id(out, "life", object.name.view(), object.driver.view()));
  // The object's end is where names differ more often than where every object begins.
  const std::uint32_t looked_at = length < kFingerprintBytesMax ? length : kFingerprintBytesMax;
  out.fingerprint = {kHeaderBytes + length - looked_at, looked_at};
  return {};
}

}  // namespace mpyd::eeprom

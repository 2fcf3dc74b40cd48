#include "protocol/mpy/inspect.hpp"

#include "protocol/mpy/header.hpp"
#include "protocol/mpy/native.hpp"

namespace mpyd::mpy {
namespace {

// The names all MicroPythons know by number (py/makeqstrdata.py, static_qstr_list), from 1.
constexpr std::uint32_t kStaticNames = 165;

// MP_PERSISTENT_OBJ_*.
enum class Constant : std::uint32_t {
  function_table,
  none,
  false_value,
  true_value,
  ellipsis,
  text,
  bytes,
  integer,
  floating,
  complex,
  tuple,
};

// MP_CODE_* as a function's two lowest bits.
enum class Kind : std::uint32_t { bytecode, native, viper, assembly };

// MP_SCOPE_FLAG_VIPER*.
constexpr std::uint32_t kHasRelocations = 0x10;
constexpr std::uint32_t kHasRodata = 0x20;
constexpr std::uint32_t kHasBss = 0x40;

constexpr std::uint32_t kAssemblyArgumentsMax = 4;

constexpr unsigned kNamesSoughtMax = 96;

// Is it UTF-8, as MicroPython's utf8_check sees it?
bool is_utf8(Bytes text) {
  unsigned need = 0;
  for (const std::byte unit : text) {
    const auto c = std::to_integer<std::uint32_t>(unit);
    if (need > 0) {
      if ((c & 0xc0) != 0x80) return false;
      --need;
    } else if (c >= 0xc0) {
      if (c >= 0xf8) return false;
      need = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    } else if (c >= 0x80) {
      return false;
    }
  }
  return need == 0;
}

bool is_integer(std::string_view text) {
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  for (const char c : text)
    if (c < '0' || c > '9') return false;
  return !text.empty();
}

bool is_digits(std::string_view& text) {
  const std::size_t before = text.size();
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') text.remove_prefix(1);
  return text.size() < before;
}

bool take(std::string_view& text, std::string_view characters) {
  if (text.empty() || characters.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// As MicroPython prints a float: -1.5, 1e-05, inf, nan.
bool is_float(std::string_view text) {
  take(text, "-");
  if (text == "inf" || text == "nan") return true;
  if (!is_digits(text)) return false;
  if (take(text, ".") && !is_digits(text)) return false;
  if (!take(text, "e")) return text.empty();
  take(text, "+-");
  return is_digits(text) && text.empty();
}

// As MicroPython prints a complex number; what else these characters can say, its own reader
// refuses.
bool is_complex(std::string_view text) {
  constexpr std::string_view kCharacters = "0123456789+-.einfaj()";
  for (const char c : text)
    if (kCharacters.find(c) == std::string_view::npos) return false;
  return !text.empty();
}

class Inspector final : NameSink {
 public:
  explicit Inspector(Bytes file) : file_(file) {}

  Parsed<Facts> run() {
    MPYD_TRY(read_header());
    MPYD_TRY(read_tables());
    MPYD_TRY(read_function(0));
    if (!file_.at_end())
      return file_.fault(Errc::trailing, "there is data after the end of the module");
    if (facts_.abi.is_native() && !uses_native_)
      return file_.malformed("its header says native code, and it has none");
    return facts_;
  }

 private:
  // What MicroPython's heap gives for an allocation: blocks of four words.
  void account(std::uint64_t bytes) {
    const std::uint64_t block = std::uint64_t{word_} * 4;
    const std::uint64_t total = facts_.ram_bytes + (bytes + block - 1) / block * block;
    facts_.ram_bytes = total > 0xffffffff ? 0xffffffff : static_cast<std::uint32_t>(total);
  }

  Parsed<void> read_header() {
    const auto header = parse_header(file_.bytes());
    if (!header) {
      const std::string_view what = header.error() == Errc::bad_magic ? "it is no .mpy file"
                                    : header.error() == Errc::unsupported
                                        ? "its version or arch is not known here"
                                        : "its header is not valid";
      return file_.fault(header.error(), what);
    }
    facts_.abi = header->abi;
    word_ = word_bytes(facts_.abi.arch);
    // The module object, its dictionary and room for one global.
    account(std::uint64_t{word_} * 6);
    account(std::uint64_t{word_} * 4);
    account(std::uint64_t{word_} * 2);
    return file_.part(header->size).map([](const Cursor&) {});
  }

  Parsed<void> read_tables() {
    MPYD_TRY_ASSIGN(tables_.names, file_.number());
    MPYD_TRY_ASSIGN(tables_.objects, file_.number());
    if (tables_.names > kNamesMax) return file_.fault(Errc::limit, "it has more than 4096 names");
    if (tables_.objects > kTableEntriesMax)
      return file_.fault(Errc::limit, "it has more than 65535 constants");
    // Each takes a byte at least.
    if (std::size_t{tables_.names} + tables_.objects > file_.left())
      return file_.fault(Errc::truncated, "the file ends before its names and constants do");
    // The first is the name of the source, which tracebacks print.
    if (tables_.names == 0) return file_.malformed("it has no names, not even its own");
    account(std::uint64_t{tables_.names} * 2 + std::uint64_t{tables_.objects} * word_);
    names_ = file_;
    for (std::uint32_t i = 0; i < tables_.names; ++i) MPYD_TRY(read_name(file_));
    for (std::uint32_t i = 0; i < tables_.objects; ++i) MPYD_TRY(read_constant(0));
    return {};
  }

  // A name's text; empty for one that every MicroPython knows by number.
  Parsed<std::string_view> read_name(Cursor& at) {
    MPYD_TRY_ASSIGN(const std::uint32_t head, at.number());
    const std::uint32_t value = head >> 1;
    if ((head & 1) != 0) {
      if (value == 0 || value > kStaticNames) return at.malformed("a name has an unknown number");
      return std::string_view();
    }
    if (value > kNameBytesMax) return at.fault(Errc::limit, "a name is longer than 255 bytes");
    MPYD_TRY_ASSIGN(const Cursor text, read_terminated(at, value));
    if (!is_utf8(text.bytes())) return text.malformed("a name is not UTF-8");
    return as_text(text.bytes());
  }

  // `length` bytes and the NUL after them.
  static Parsed<Cursor> read_terminated(Cursor& at, std::uint32_t length) {
    MPYD_TRY_ASSIGN(const Cursor text, at.part(length));
    MPYD_TRY_ASSIGN(const std::uint32_t terminator, at.byte());
    if (terminator != 0) return at.malformed("a text does not end where its length says");
    return text;
  }

  Parsed<void> read_constant(unsigned depth) {
    MPYD_TRY_ASSIGN(const std::uint32_t type, file_.byte());
    switch (static_cast<Constant>(type)) {
      case Constant::function_table:
        // Firmware without native code would take it for something with a length.
        if (!facts_.abi.is_native()) return file_.malformed("bytecode has no function table");
        uses_native_ = true;
        return {};
      case Constant::none:
      case Constant::false_value:
      case Constant::true_value:
      case Constant::ellipsis:
        return {};
      case Constant::text:
      case Constant::bytes:
        return read_text_constant(static_cast<Constant>(type) == Constant::text);
      case Constant::integer:
        return read_number_constant(kIntDigitsMax, is_integer);
      case Constant::floating:
        return read_number_constant(kFloatCharsMax, is_float);
      case Constant::complex:
        return read_number_constant(kFloatCharsMax, is_complex);
      case Constant::tuple:
        return read_tuple(depth);
    }
    return file_.malformed("a constant has an unknown type");
  }

  Parsed<void> read_text_constant(bool is_text) {
    MPYD_TRY_ASSIGN(const std::uint32_t length, file_.number());
    MPYD_TRY_ASSIGN(const Cursor text, read_terminated(file_, length));
    if (is_text && !is_utf8(text.bytes())) return text.malformed("a text is not UTF-8");
    account(std::uint64_t{word_} * 4);
    account(std::uint64_t{length} + 1);
    return {};
  }

  Parsed<void> read_number_constant(std::uint32_t length_max, bool (*is_number)(std::string_view)) {
    MPYD_TRY_ASSIGN(const std::uint32_t length, file_.number());
    if (length > length_max) return file_.fault(Errc::limit, "a number has too many digits");
    MPYD_TRY_ASSIGN(const Cursor digits, file_.part(length));
    if (!is_number(as_text(digits.bytes())))
      return digits.malformed("a number is not written as MicroPython writes it");
    account(std::uint64_t{word_} * 4);
    account(length);
    return {};
  }

  Parsed<void> read_tuple(unsigned depth) {
    if (depth == kTupleDepthMax)
      return file_.fault(Errc::limit, "tuples are nested more than 8 deep");
    MPYD_TRY_ASSIGN(const std::uint32_t count, file_.number());
    if (count > file_.left())
      return file_.fault(Errc::truncated, "the file ends before a tuple does");
    account(std::uint64_t{word_} * (2 + std::uint64_t{count}));
    for (std::uint32_t i = 0; i < count; ++i) MPYD_TRY(read_constant(depth + 1));
    return {};
  }

  Parsed<void> read_function(unsigned depth) {
    if (depth == kFunctionDepthMax)
      return file_.fault(Errc::limit, "functions are nested more than 16 deep");
    MPYD_TRY_ASSIGN(const std::uint32_t head, file_.number());
    const auto kind = static_cast<Kind>(head & 3);
    if (kind != Kind::bytecode && !facts_.abi.is_native())
      return file_.malformed("it has native code, and its header says bytecode");
    MPYD_TRY_ASSIGN(const Cursor code, file_.part(head >> 3));
    if (code.at_end()) return code.malformed("a function has no code");
    ++facts_.functions;
    account(std::uint64_t{word_} * 4);

    std::uint32_t children_used = 0;
    Data data;
    if (kind == Kind::bytecode) {
      MPYD_TRY_ASSIGN(children_used, read_bytecode(code, depth));
    } else {
      MPYD_TRY(read_machine_code(kind, code, depth, data));
    }
    std::uint32_t children = 0;
    if ((head & 4) != 0) {
      MPYD_TRY_ASSIGN(children, file_.number());
      if (children == 0 || children > kTableEntriesMax || children > file_.left())
        return file_.malformed("a function says that others are in it, and none is");
      account(std::uint64_t{word_} * (children + 1));
      for (std::uint32_t i = 0; i < children; ++i) MPYD_TRY(read_function(depth + 1));
    }
    if (children_used > children) return code.malformed("an instruction names no function");
    if (kind == Kind::native) MPYD_TRY(check_prelude_index(code, children));
    if (!data.has_relocations) return {};
    // The loader relocates after it has read the children. A linker makes none.
    if (children != 0) return code.malformed("a native module has functions beside its code");
    return read_relocations({code, data.rodata, data.bss_bytes});
  }

  Parsed<std::uint32_t> read_bytecode(Cursor code, unsigned depth) {
    facts_.bytecode_bytes += static_cast<std::uint32_t>(code.left());
    account(code.left());
    MPYD_TRY_ASSIGN(const Prelude prelude, read_prelude(code, tables_));
    if (depth == 0 && prelude.arguments != 0)
      return code.malformed("the module's body takes arguments");
    return check_bytecode(code, prelude, tables_, depth == 0 ? this : nullptr);
  }

  // What a native module has beside its text.
  struct Data {
    bool has_relocations = false;
    Cursor rodata;
    std::uint32_t bss_bytes = 0;
  };

  Parsed<void> read_machine_code(Kind kind, const Cursor& code, unsigned depth, Data& data) {
    uses_native_ = true;
    facts_.text_bytes += static_cast<std::uint32_t>(code.left());
    account(code.left());
    facts_.floats_cross =
        facts_.floats_cross || loads_float_function(facts_.abi.arch, code.bytes());
    if (depth == 0) {
      facts_.exports = Exports::mentioned;
      MPYD_TRY(list_all_names());
    }
    switch (kind) {
      case Kind::native:
        return read_native_prelude(code);
      case Kind::viper:
        return read_viper(code, data);
      case Kind::assembly:
        return read_assembly(code);
      case Kind::bytecode:
        break;
    }
    return {};
  }

  // The prelude of a function in machine code lies behind it, and nothing behind the prelude.
  Parsed<void> read_native_prelude(Cursor code) {
    MPYD_TRY_ASSIGN(const std::uint32_t offset, file_.number());
    if (offset < word_) return file_.malformed("a function's prelude lies before its code");
    MPYD_TRY(code.part(offset));
    return read_prelude(code, tables_).map([](const Prelude&) {});
  }

  // The first word of such a function says where among its children the prelude is found: behind
  // the last of them, or instead of them all.
  Parsed<void> check_prelude_index(const Cursor& code, std::uint32_t children) const {
    if (code.left() < word_ || load_le32(code.bytes(), 0) != children ||
        (word_ == 8 && load_le32(code.bytes(), 4) != 0))
      return code.malformed("a function's code does not find its prelude");
    return {};
  }

  Parsed<void> read_assembly(const Cursor& code) {
    MPYD_TRY_ASSIGN(const std::uint32_t flags, file_.number());
    MPYD_TRY_ASSIGN(const std::uint32_t arguments, file_.number());
    MPYD_TRY(file_.number());  // the types of arguments and result, in 4 bits each
    if (flags != 0) return code.malformed("a function in assembly has unknown flags");
    if (arguments > kAssemblyArgumentsMax)
      return code.malformed("a function in assembly has more than 4 arguments");
    return {};
  }

  Parsed<void> read_viper(const Cursor& code, Data& data) {
    MPYD_TRY_ASSIGN(const std::uint32_t flags, file_.number());
    if ((flags & ~(kHasRelocations | kHasRodata | kHasBss)) != 0)
      return code.malformed("a native function has unknown flags");
    data.has_relocations = (flags & kHasRelocations) != 0;
    std::uint32_t rodata_bytes = 0;
    if ((flags & kHasRodata) != 0) {
      MPYD_TRY_ASSIGN(rodata_bytes, file_.number());
    }
    if ((flags & kHasBss) != 0) {
      MPYD_TRY_ASSIGN(data.bss_bytes, file_.number());
    }
    if (data.bss_bytes > kBssBytesMax)
      return file_.fault(Errc::limit, "its variables take more than a megabyte");
    MPYD_TRY_ASSIGN(data.rodata, file_.part(rodata_bytes));
    facts_.rodata_bytes += rodata_bytes;
    facts_.bss_bytes += data.bss_bytes;
    account(std::uint64_t{data.bss_bytes} + rodata_bytes);
    return {};
  }

  Parsed<void> read_relocations(const Sections& sections) {
    MPYD_TRY(check_entry(facts_.abi.arch, sections));
    MPYD_TRY_ASSIGN(const bool floats,
                    check_relocations(file_, facts_.abi.arch, sections, tables_));
    facts_.floats_cross = facts_.floats_cross || floats;
    return {};
  }

  // Finding a name by its index takes a walk along all before it, so a hostile body is not followed
  // for ever.
  void stores(std::uint32_t name) override {
    if (names_sought_ == kNamesSoughtMax) return;
    ++names_sought_;
    Cursor at = names_;
    for (std::uint32_t i = 0; i < name; ++i) static_cast<void>(read_name(at));
    if (const auto text = read_name(at)) list_name(*text);
  }

  Parsed<void> list_all_names() {
    Cursor at = names_;
    MPYD_TRY(read_name(at));  // of the source
    for (std::uint32_t i = 1; i < tables_.names; ++i) {
      MPYD_TRY_ASSIGN(const std::string_view text, read_name(at));
      list_name(text);
    }
    return {};
  }

  void list_name(std::string_view text) {
    for (const std::string_view known : facts_.names)
      if (!text.empty() && known == text) return;
    ++facts_.names_total;
    if (!text.empty()) facts_.names.push_back(text);
  }

  Cursor file_;
  Facts facts_;
  std::uint32_t word_ = 4;
  Tables tables_;
  Cursor names_;  // at the first of them
  unsigned names_sought_ = 0;
  bool uses_native_ = false;
};

}  // namespace

Parsed<Facts> inspect(Bytes file) { return Inspector(file).run(); }

}  // namespace mpyd::mpy

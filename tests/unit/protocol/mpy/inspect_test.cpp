#include "protocol/mpy/inspect.hpp"

#include <string>
#include <vector>

#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/mpy.hpp"

using namespace mpyd;
using mpyd::test::Buffer;
using mpyd::test::from_hex;
using mpyd::test::NativeMpy;

namespace {

const std::vector<std::string> kVectors = {
    "bytecode",          "emitted-x64",         "emitted-armv7m",
    "emitted-rv32imc",   "factorial-x64",       "factorial-armv6m",
    "factorial-armv7m",  "factorial-armv7emsp", "factorial-armv7emdp",
    "factorial-rv32imc", "features1-x64",       "features1-rv32imc",
    "features4-x64",     "features4-armv7m",    "floats-x64",
    "floats-armv7emsp",  "floats-armv7emdp"};

Buffer vector_of(const std::string& name) { return test::read_vector("mpy/" + name + ".mpy"); }

std::vector<std::string> names_of(const mpy::Facts& facts) {
  std::vector<std::string> out;
  for (const std::string_view name : facts.names) out.emplace_back(name);
  return out;
}

std::string fault_of(Bytes file) {
  const auto facts = mpy::inspect(file);
  return facts ? "sound" : std::string(facts.error().what);
}

// A module of bytecode: constants as given, and a body that returns None.
Buffer bytecode_with(std::string_view constants_hex, unsigned constants,
                     std::string_view body_hex = "0002 01 51 63") {
  Buffer out = from_hex("4d06001f 02");
  test::append_number(out, constants);
  test::append(out, from_hex("08 642e707900 0a 6769766e6500"));
  test::append(out, from_hex(constants_hex));
  const Buffer body = from_hex(body_hex);
  test::append_number(out, static_cast<std::uint32_t>(body.size()) << 3);
  test::append(out, body);
  return out;
}

}  // namespace

TEST_CASE("files of MicroPython's own tools are sound, and say what is in them") {
  struct Row {
    std::string file;
    std::uint32_t text, bytecode, bss, functions;
    mpy::Exports exports;
    std::vector<std::string> names;
  };
  const auto exact = mpy::Exports::exact;
  const auto mentioned = mpy::Exports::mentioned;
  const Row kRows[] = {
      {"bytecode", 0, 232, 0, 7, exact, {"LIMIT", "RATIO", "NAMES", "Board", "attach", "detach"}},
      {"emitted-x64", 1180, 32, 0, 5, exact, {"attach", "readings", "detach"}},
      {"factorial-armv6m", 132, 0, 0, 1, mentioned, {"factorial"}},
      {"features1-x64",
       952,
       0,
       8,
       1,
       mentioned,
       {"HELLO_MICROPYTHON", "MSG", "VAL", "access", "add", "fibonacci", "make_array"}},
      {"features4-armv7m", 496, 0, 136, 1, mentioned, {"Factorial", "FactorialError", "calculate"}},
  };
  for (const Row& row : kRows) {
    INFO(row.file);
    const Buffer file = vector_of(row.file);
    const auto facts = mpy::inspect(file);
    REQUIRE(facts);
    CHECK(facts->text_bytes == row.text);
    CHECK(facts->bytecode_bytes == row.bytecode);
    CHECK(facts->bss_bytes == row.bss);
    CHECK(facts->functions == row.functions);
    CHECK(facts->exports == row.exports);
    CHECK(names_of(*facts) == row.names);
    CHECK(facts->ram_bytes >= row.text + row.bytecode + row.bss);
  }
}

TEST_CASE("machine code that passes C floats to MicroPython is recognised") {
  for (const std::string& name : kVectors) {
    INFO(name);
    CHECK(mpy::inspect(vector_of(name))->floats_cross == name.starts_with("floats"));
  }
}

TEST_CASE("A42 every proper prefix of a .mpy is refused, and so is a longer file") {
  for (const std::string& name : kVectors) {
    const Buffer whole = vector_of(name);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      INFO(name << ", " << size << " of " << whole.size() << " bytes");
      CHECK_FALSE(mpy::inspect(Bytes(whole).first(size)));
    }
    for (const char* more : {"00", "ff", "4d"})
      CHECK(mpy::inspect(test::concat(whole, from_hex(more))).error().code == Errc::trailing);
  }
}

TEST_CASE("A42 a .mpy with any bit flipped is sound or refused with a reason and a place") {
  std::size_t accepted = 0;
  std::size_t refused = 0;
  for (const std::string& name : kVectors) {
    const Buffer whole = vector_of(name);
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
      const auto facts = mpy::inspect(test::with_flipped_bit(whole, bit));
      ++(facts ? accepted : refused);
      if (facts) continue;
      INFO(name << ", bit " << bit);
      CHECK(facts.error().offset <= whole.size());
      CHECK_FALSE(facts.error().what.empty());
      CHECK(static_cast<int>(facts.error().code) < 10);
    }
  }
  // Machine code and texts may be anything, so some are; but not much else is.
  CHECK(accepted > 1000);
  CHECK(refused > 1000);
}

TEST_CASE("A42 random bytes after a good header are refused or sound, never worse") {
  test::Random random(42);
  for (int i = 0; i < 20000; ++i) {
    Buffer file = random.bytes(4 + random.below(300));
    copy_bytes(from_hex(i % 2 == 0 ? "4d06001f" : "4d060b1f"), file);
    CHECK_NOTHROW(mpy::inspect(file));
  }
}

TEST_CASE("A42 a native module's relocations and entry stay within its own code and data") {
  struct Row {
    std::string why;
    std::string relocations;
    std::string expected;
  };
  // An odd operation is followed by the word it starts at (times 2, plus 1 for read-only data); its
  // upper seven bits say what is added; 8 words of text, 2 of data, 8 bytes of variables.
  const Row kRows[] = {
      {"none at all", "", "sound"},
      {"the last word of text points to text", "010e", "sound"},
      {"a word behind the text", "0110", "a relocation lies outside of its code and data"},
      {"a place far behind", "01fffffffe7e", "a number has more than 32 bits"},
      {"a place as far as it goes", "018ffffffe7e",
       "a relocation lies outside of its code and data"},
      {"read-only data points to variables", "0901", "sound"},
      {"a word behind the data", "0905", "a relocation lies outside of its code and data"},
      {"all words of data", "0b0102", "sound"},
      {"more words than there are", "0b010b", "it relocates more words than it has"},
      {"as many as it has, from the last", "0b0302",
       "a relocation lies outside of its code and data"},
      {"no words", "0b0100", "it relocates more words than it has"},
      {"a first relocation without a place", "00",
       "a relocation lies outside of its code and data"},
      {"the table of names", "0d0e", "sound"},
      {"the table of functions", "110e", "sound"},
      {"its last function", "bf0e", "sound"},
      {"a function it has not", "c10e", "it needs a function that MicroPython does not offer"},
      {"the same word over and over", "010e 010e 010e 010e 010e 010e 010e 010e 010e 010e 010e",
       "it relocates more words than it has"},
  };
  for (const Row& row : kRows) {
    INFO(row.why);
    NativeMpy mpy;
    mpy.relocations = from_hex(row.relocations);
    CHECK(fault_of(mpy.bytes()) == row.expected);
  }
}

TEST_CASE("A42 a relocated pointer starts within what it points to") {
  struct Row {
    std::string relocation;  // of the last word of text
    std::string word;        // its content
    bool sound;
  };
  const Row kRows[] = {
      {"010e", "20000000", true},                               // the end of the text
      {"010e", "21000000", false},                              // behind it
      {"010e", "ffffffff", false},                              // before it
      {"050e", "08000000", true},                               // read-only data
      {"050e", "09000000", false}, {"090e", "08000000", true},  // variables
      {"090e", "09000000", false}, {"0d0e", "04000000", true},  // two names of two bytes
      {"0d0e", "05000000", false}, {"0f0e", "00000000", true},  // no constants
      {"0f0e", "04000000", false}, {"130e", "00000000", true},  // the first function
      {"130e", "04000000", false},
  };
  for (const Row& row : kRows) {
    INFO(row.relocation << " of " << row.word);
    NativeMpy mpy;
    mpy.relocations = from_hex(row.relocation);
    copy_bytes(from_hex(row.word), MutableBytes(mpy.text).subspan(28));
    CHECK(fault_of(mpy.bytes()) ==
          (row.sound ? "sound" : "a relocated pointer leaves its code and data"));
  }
}

TEST_CASE("A42 sections that a native module does not have are not pointed into") {
  NativeMpy mpy;
  mpy.flags = 0x10;
  for (const char* relocation : {"050e", "090e"}) {
    mpy.relocations = from_hex(relocation);
    CHECK(fault_of(mpy.bytes()).ends_with("that it does not have"));
  }
  mpy.relocations = from_hex("0101");  // a place in read-only data
  CHECK(fault_of(mpy.bytes()) == "a relocation lies outside of its code and data");
  mpy.flags = 0x40;
  mpy.bss_bytes = mpy::kBssBytesMax + 1;
  CHECK(mpy::inspect(mpy.bytes()).error().code == Errc::limit);
  mpy.flags = 0x80;
  CHECK(fault_of(mpy.bytes()) == "a native function has unknown flags");
}

TEST_CASE("A42 the jump to a native module's entry is known and stays within its code") {
  struct Row {
    std::string feature_byte, jump;
    bool sound;
  };
  const Row kRows[] = {
      {"17", "00e000bf", true},           // b.n forwards
      {"17", "10e000bf", false},          // b.n behind the end
      {"17", "fee700bf", false},          // b.n to itself
      {"17", "00f008b8", true},           // mpy_ld's wide branch
      {"17", "01f008b8", false},          // far behind
      {"17", "70477047", false},          // no jump
      {"13", "01b500f002f801bd", true},   // armv6m: push, bl, pop
      {"13", "01b500f040f801bd", false},  // bl behind the end
      {"0b", "e9030000000000", true},     // x64: jmp
      {"0b", "e91b000000000000", false},
      {"0b", "e9faffffff000000", false},  // before the text
      {"2f", "970f000067808f01", true},   // rv32imc: auipc, jalr
      {"2f", "970f000067800f02", false},
      {"2f", "971f000067808f01", false},
      {"2b", "c60000", true},   // xtensawin: j
      {"2b", "460700", false},  // j behind the end
      {"33", "000000", true},   // rv64imc: its jump is not known here
  };
  for (const Row& row : kRows) {
    INFO(row.feature_byte << " " << row.jump);
    NativeMpy mpy;
    mpy.header = from_hex("4d06" + row.feature_byte + "1f");
    copy_bytes(from_hex(row.jump), mpy.text);
    CHECK((fault_of(mpy.bytes()) == "sound") == row.sound);
  }
  NativeMpy tiny(4);
  CHECK(fault_of(tiny.bytes()) == "it has no code");
}

TEST_CASE("A30 names, constants and their nesting are bounded before they are followed") {
  struct Row {
    std::string why;
    Buffer file;
    Errc code;
  };
  std::string nested;
  for (int i = 0; i < 9; ++i) nested += "0a01";
  const std::vector<Row> kRows = {
      {"4097 names", from_hex("4d06001f a001 00"), Errc::limit},
      {"65536 constants", from_hex("4d06001f 01 848000"), Errc::limit},
      {"more names than bytes", from_hex("4d06001f 7f00 00"), Errc::truncated},
      {"a number of 40 bits", from_hex("4d06001f ffffffffff7f 00"), Errc::limit},
      {"a number with leading zeros", from_hex("4d06001f 8001 00"), Errc::malformed},
      {"no name at all", from_hex("4d06001f 0000 28"), Errc::malformed},
      {"a name of 256 bytes", test::concat(from_hex("4d06001f 0100 8400"), Buffer(400)),
       Errc::limit},
      {"name number 0", from_hex("4d06001f 0100 01 28 0002025163"), Errc::malformed},
      {"name number 166", from_hex("4d06001f 0100 824d 28 0002025163"), Errc::malformed},
      {"a name that is not UTF-8", from_hex("4d06001f 0100 02 ff00 28 0002025163"),
       Errc::malformed},
      {"a name without its end", from_hex("4d06001f 0100 02 6161 28 0002025163"), Errc::malformed},
      {"an unknown constant", bytecode_with("0b", 1), Errc::malformed},
      {"a function table in bytecode", bytecode_with("00", 1), Errc::malformed},
      {"a text that is not UTF-8", bytecode_with("0501c300", 1), Errc::malformed},
      {"a number of letters", bytecode_with("070131 070161", 2), Errc::malformed},
      {"a float without digits", bytecode_with("08012e", 1), Errc::malformed},
      {"a float with two points", bytecode_with("0804312e2e32", 1), Errc::malformed},
      {"no digits", bytecode_with("07012d", 1), Errc::malformed},
      {"a long number", test::concat(bytecode_with("078801", 1), Buffer(1100)), Errc::limit},
      {"a long float", test::concat(bytecode_with("0841", 1), Buffer(100)), Errc::limit},
      {"tuples in tuples", bytecode_with(nested + "01", 1), Errc::limit},
      {"a tuple longer than the file", bytecode_with("0affffff7f", 1), Errc::truncated},
  };
  for (const Row& row : kRows) {
    INFO(row.why);
    const auto facts = mpy::inspect(row.file);
    REQUIRE_FALSE(facts);
    INFO(std::string(facts.error().what));
    CHECK(facts.error().code == row.code);
  }
  CHECK(fault_of(bytecode_with("", 0)) == "sound");
  CHECK(fault_of(bytecode_with("01 02 03 04 0502c3a900 060161 00 07022d37 0803302e31 0a02 01 02",
                               9)) == "sound");
}

TEST_CASE("A30 functions nested deeper than a motherboard's stack likes are refused") {
  const auto nested = [](unsigned depth) {
    Buffer out = from_hex("4d06001f 0100 08 642e707900");
    for (unsigned i = 1; i < depth; ++i) test::append(out, from_hex("2c 0002005163 01"));
    test::append(out, from_hex("28 0002005163"));
    return out;
  };
  CHECK(fault_of(nested(mpy::kFunctionDepthMax)) == "sound");
  CHECK(mpy::inspect(nested(mpy::kFunctionDepthMax + 1)).error().code == Errc::limit);
}

TEST_CASE("A42 bytecode uses only what it has: names, constants, functions, locals, places") {
  struct Row {
    std::string why, body, expected;
  };
  // Prelude: a frame of one word, no arguments; one byte of info: the name with index 0.
  const Row kRows[] = {
      {"return None", "0002005163", "sound"},
      {"runs off its end", "00020051", "a function's code runs off its end"},
      {"no such instruction", "0002000063", "there is no such instruction"},
      {"loads a name", "000200110163", "sound"},
      {"loads a name it has not", "000200110263", "an instruction names no known name"},
      {"loads a constant it has not", "000200230063", "an instruction names no constant"},
      {"makes a function it has not", "000200320063", "an instruction names no function"},
      {"loads its only local", "000200b063", "sound"},
      {"loads another", "000200b163", "an instruction uses a variable beyond its frame"},
      {"stores far away", "000200267f63", "an instruction uses a variable beyond its frame"},
      {"jumps to itself", "000200423e63", "sound"},
      {"jumps before its start", "000200423d63", "a jump leaves its function"},
      {"jumps behind its end", "000200424163", "a jump leaves its function"},
      {"ends in an instruction", "00020042", "the file ends too early"},
      {"a small integer without end", "00020022ffffffffffffffffffff7f63",
       "a small integer has more than 64 bits"},
      {"its own name unknown", "0002025163", "a function or argument has no known name"},
      {"a body that takes arguments", "0104 0001 5163", "the module's body takes arguments"},
      {"more arguments than places", "0306000100 5163",
       "a function has more arguments than its frame holds"},
      {"a closed-over local beyond the frame", "0003000151 63",
       "a closed-over variable lies beyond the frame"},
      {"a frame without bound", "ffffffffffffffffff00 02005163", "a function's frame is too large"},
  };
  for (const Row& row : kRows) {
    INFO(row.why);
    CHECK(fault_of(bytecode_with("", 0, row.body)) == row.expected);
  }
}

TEST_CASE("A42 a native module's relocations are its own, whatever functions stand beside it") {
  // A parent with relocations whose child has none: its loader reads them behind the child.
  const Buffer parent = from_hex("4d060b1f 0100 08 642e707900 46 e900000000000000 10 01");
  const Buffer child = from_hex("42 e900000000000000 00");
  CHECK(fault_of(test::concat(parent, child)) == "a native module has functions beside its code");
  CHECK(fault_of(test::concat(test::concat(parent, child), from_hex("01ff 0eff"))) ==
        "a native module has functions beside its code");
  // And the mirror image: only the child has some, and reads them itself.
  const Buffer plain = from_hex("4d060b1f 0100 08 642e707900 46 e900000000000000 00 01");
  const Buffer relocated = from_hex("42 e901000000c3c3c3 10 ff");
  CHECK(fault_of(test::concat(plain, relocated)) == "sound");
}

TEST_CASE("what is read from the stack or from beside the code is no float function") {
  struct Row {
    std::string header, instructions;
    bool floats;
  };
  const Row kRows[] = {
      {"4d06171f", "d3f8f030", true},            // ldr.w r3, [r3, #240]
      {"4d06171f", "ddf8f030", false},           // from the stack
      {"4d06171f", "dff8f030", false},           // a literal
      {"4d06171f", "d3f80031", false},           // another place
      {"4d062f1f", "83a7050f", true},            // lw a5, 240(a1)
      {"4d062f1f", "8327010f", false},           // from the stack
      {"4d062f1f", "17040000 0324040f", false},  // auipc s0; lw s0, 240(s0): a GOT entry
  };
  for (const Row& row : kRows) {
    INFO(row.instructions);
    NativeMpy mpy;
    mpy.header = from_hex(row.header);
    if (row.header == "4d062f1f") copy_bytes(from_hex("970f000067808f01"), mpy.text);
    copy_bytes(from_hex(row.instructions), MutableBytes(mpy.text).subspan(12));
    const auto facts = mpy::inspect(mpy.bytes());
    REQUIRE(facts);
    CHECK(facts->floats_cross == row.floats);
  }
}

TEST_CASE("code and header agree on whether there is native code") {
  Buffer bytecode = bytecode_with("", 0);
  bytecode[2] = std::byte{0x0b};
  CHECK(fault_of(bytecode) == "its header says native code, and it has none");
  NativeMpy native;
  native.header = from_hex("4d06001f");
  CHECK(fault_of(native.bytes()) == "it has native code, and its header says bytecode");
}

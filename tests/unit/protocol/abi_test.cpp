#include "protocol/abi.hpp"

#include <string>
#include <vector>

#include "protocol/abi_codec.hpp"
#include "tests/support/catch.hpp"

using namespace mpyd;

namespace {

const std::vector<Arch> kAllArchs = {
    Arch::bytecode,  Arch::x86,     Arch::x64,       Arch::armv6,     Arch::armv6m,
    Arch::armv7m,    Arch::armv7em, Arch::armv7emsp, Arch::armv7emdp, Arch::xtensa,
    Arch::xtensawin, Arch::rv32imc, Arch::rv64imc};

Abi abi_of(Arch arch, FloatAbi float_abi = FloatAbi::none) {
  Abi abi{.mpy_version = 6, .arch = arch, .small_int_bits = 31};
  if (!abi.is_native()) return abi;
  abi.sub_version = 3;
  abi.float_abi = float_abi;
  abi.object_repr = ObjectRepr::a;
  return abi;
}

// A device that takes everything an armv7emsp firmware on a Cortex-M4F takes.
Abi example_device() {
  Abi device = abi_of(Arch::armv7emsp, FloatAbi::hard);
  device.core = Arch::armv7emsp;
  return device;
}

std::string text_of(const AbiText& text) { return std::string(text.view()); }

}  // namespace

TEST_CASE("A16 a device accepts native code of its own arch, and on Thumb of every lesser arch") {
  // Row: device, column: module, in the order of kAllArchs without bytecode.
  const std::vector<std::string> kAccepted = {
      "100000000000",  // x86
      "010000000000",  // x64
      "001000000000",  // armv6
      "000100000000",  // armv6m
      "000110000000",  // armv7m
      "000111000000",  // armv7em
      "000111100000",  // armv7emsp
      "000111110000",  // armv7emdp
      "000000001000",  // xtensa
      "000000000100",  // xtensawin
      "000000000010",  // rv32imc
      "000000000001",  // rv64imc
  };
  for (std::size_t d = 1; d < kAllArchs.size(); ++d) {
    for (std::size_t m = 1; m < kAllArchs.size(); ++m) {
      INFO(arch_name(kAllArchs[d]) << " <- " << arch_name(kAllArchs[m]));
      const auto accepted = abi_of(kAllArchs[d]).accepts(abi_of(kAllArchs[m]));
      CHECK(accepted.has_value() == (kAccepted[d - 1][m - 1] == '1'));
      if (!accepted) CHECK(accepted.error() == AbiMismatch::arch);
    }
  }
}

TEST_CASE("every device accepts bytecode, and a device without native code accepts nothing else") {
  for (Arch arch : kAllArchs) {
    INFO(arch_name(arch));
    CHECK(abi_of(arch).accepts(abi_of(Arch::bytecode)));
    CHECK(abi_of(Arch::bytecode).accepts(abi_of(arch)).has_value() == (arch == Arch::bytecode));
  }
}

TEST_CASE("A16 the core bounds the Thumb range from above whatever the firmware reports") {
  struct Row {
    Arch arch, core, module;
    bool accepted;
  };
  const Row kRows[] = {
      // Soft-float Thumb-2 firmware reports armv7em even on a Cortex-M3.
      {Arch::armv7em, Arch::armv7m, Arch::armv6m, true},
      {Arch::armv7em, Arch::armv7m, Arch::armv7m, true},
      {Arch::armv7em, Arch::armv7m, Arch::armv7em, false},
      {Arch::armv7em, Arch::armv7em, Arch::armv7em, true},
      {Arch::armv7em, Arch::armv6m, Arch::armv7m, false},
      // A better core does not widen what the firmware takes.
      {Arch::armv7em, Arch::armv7emdp, Arch::armv7emsp, false},
      {Arch::armv7emsp, Arch::bytecode, Arch::armv7emsp, true},  // core not known
      {Arch::x64, Arch::x64, Arch::x64, true},
  };
  for (const Row& row : kRows) {
    INFO(arch_name(row.arch) << " on " << arch_name(row.core) << " <- " << arch_name(row.module));
    Abi device = abi_of(row.arch);
    device.core = row.core;
    CHECK(device.accepts(abi_of(row.module)).has_value() == row.accepted);
  }
  Abi device = abi_of(Arch::armv7em);
  device.core = Arch::armv7m;
  CHECK(device.accepts(abi_of(Arch::armv7em)).error() == AbiMismatch::core);
}

TEST_CASE("the mpy version must be equal, the sub-version for native code only") {
  Abi device = abi_of(Arch::armv7m);
  Abi module = abi_of(Arch::armv7m);
  module.sub_version = 2;
  CHECK(device.accepts(module).error() == AbiMismatch::sub_version);
  module.mpy_version = 5;
  CHECK(device.accepts(module).error() == AbiMismatch::mpy_version);

  Abi bytecode = abi_of(Arch::bytecode);
  bytecode.sub_version = 1;
  CHECK(device.accepts(bytecode));
  bytecode.mpy_version = 7;
  CHECK(device.accepts(bytecode).error() == AbiMismatch::mpy_version);
}

TEST_CASE("a file may need at most the device's small-int bits, bytecode included") {
  Abi device = abi_of(Arch::armv7m);
  for (Arch arch : {Arch::bytecode, Arch::armv7m}) {
    Abi module = abi_of(arch);
    module.small_int_bits = 31;
    CHECK(device.accepts(module));
    module.small_int_bits = 0;
    CHECK(device.accepts(module));
    module.small_int_bits = 32;
    CHECK(device.accepts(module).error() == AbiMismatch::small_int_bits);
  }
}

TEST_CASE("RV32 extension flags of a file must be a subset of the device's") {
  for (std::uint32_t have = 0; have < 4; ++have) {
    for (std::uint32_t need = 0; need < 4; ++need) {
      INFO("device " << have << ", module " << need);
      Abi device = abi_of(Arch::rv32imc);
      device.arch_flags = have;
      Abi module = abi_of(Arch::rv32imc);
      module.arch_flags = need;
      const auto accepted = device.accepts(module);
      CHECK(accepted.has_value() == ((need & have) == need));
      if (!accepted) CHECK(accepted.error() == AbiMismatch::arch_flags);
    }
  }
}

TEST_CASE("A16 the float ABI must be equal unless no float crosses the function table") {
  struct Row {
    FloatAbi device, module;
    bool accepted;
  };
  const Row kRows[] = {
      {FloatAbi::hard, FloatAbi::none, true},  {FloatAbi::hard, FloatAbi::hard, true},
      {FloatAbi::hard, FloatAbi::soft, false}, {FloatAbi::soft, FloatAbi::none, true},
      {FloatAbi::soft, FloatAbi::soft, true},  {FloatAbi::soft, FloatAbi::hard, false},
      {FloatAbi::none, FloatAbi::none, true},  {FloatAbi::none, FloatAbi::soft, false},
      {FloatAbi::none, FloatAbi::hard, false}, {FloatAbi::hard, FloatAbi::unspecified, false},
  };
  for (const Row& row : kRows) {
    INFO(static_cast<int>(row.device) << " <- " << static_cast<int>(row.module));
    const auto accepted =
        abi_of(Arch::armv7emsp, row.device).accepts(abi_of(Arch::armv7emsp, row.module));
    CHECK(accepted.has_value() == row.accepted);
    if (!accepted) CHECK(accepted.error() == AbiMismatch::float_abi);
  }
}

TEST_CASE(
    "the object representation must be equal for native code and does not matter to bytecode") {
  const std::vector<ObjectRepr> kReprs = {ObjectRepr::a, ObjectRepr::b, ObjectRepr::c,
                                          ObjectRepr::d};
  for (ObjectRepr have : kReprs) {
    for (ObjectRepr need : kReprs) {
      Abi device = abi_of(Arch::armv7m);
      device.object_repr = have;
      Abi module = abi_of(Arch::armv7m);
      module.object_repr = need;
      const auto accepted = device.accepts(module);
      CHECK(accepted.has_value() == (have == need));
      if (!accepted) CHECK(accepted.error() == AbiMismatch::object_repr);
    }
    Abi device = abi_of(Arch::armv7m);
    device.object_repr = have;
    CHECK(device.accepts(abi_of(Arch::bytecode)));
  }
}

TEST_CASE("the more specific variant wins and bytecode comes last") {
  const std::vector<std::string> kRising = {
      "6-any",       "6.3-armv6m",         "6.3-armv7m",    "6.3-armv7em-nofp",
      "6.3-armv7em", "6.3-armv7emsp-nofp", "6.3-armv7emsp", "6.3-armv7emdp"};
  for (std::size_t i = 1; i < kRising.size(); ++i) {
    INFO(kRising[i - 1] << " < " << kRising[i]);
    CHECK(specificity(parse_abi(kRising[i - 1]).value()) <
          specificity(parse_abi(kRising[i]).value()));
  }
  CHECK(specificity(parse_abi("6.3-rv32imc").value()) <
        specificity(parse_abi("6.3-rv32imc-zba").value()));
  CHECK(specificity(parse_abi("6.3-rv32imc-zba").value()) <
        specificity(parse_abi("6.3-rv32imc-zba-zcmp").value()));
  CHECK(specificity(parse_abi("6-any").value()) < specificity(parse_abi("6-any-int63").value()));
  CHECK(specificity(parse_abi("6-any-int63").value()) <
        specificity(parse_abi("6.3-armv6m").value()));
}

TEST_CASE("what a file does not say comes from the one table of defaults per arch") {
  struct Row {
    Arch arch;
    FloatAbi float_abi;
  };
  const Row kRows[] = {
      {Arch::armv6m, FloatAbi::none},    {Arch::armv7m, FloatAbi::none},
      {Arch::rv32imc, FloatAbi::none},   {Arch::xtensa, FloatAbi::none},
      {Arch::armv7em, FloatAbi::soft},   {Arch::armv7emsp, FloatAbi::hard},
      {Arch::armv7emdp, FloatAbi::hard}, {Arch::x64, FloatAbi::hard},
  };
  for (const Row& row : kRows) {
    INFO(arch_name(row.arch));
    const Abi filled = with_defaults(Abi{.mpy_version = 6, .sub_version = 3, .arch = row.arch});
    CHECK(filled.float_abi == row.float_abi);
    CHECK(filled.object_repr == ObjectRepr::a);
  }
  const Abi kept = with_defaults(
      Abi{.arch = Arch::armv7m, .float_abi = FloatAbi::soft, .object_repr = ObjectRepr::c});
  CHECK(kept.float_abi == FloatAbi::soft);
  CHECK(kept.object_repr == ObjectRepr::c);
  CHECK(with_defaults(abi_of(Arch::bytecode)) == abi_of(Arch::bytecode));
  CHECK(with_defaults(Abi{.mpy_version = 6}).small_int_bits == 31);
}

TEST_CASE("the text form says version and arch, and appends what is not default") {
  const std::vector<std::string> kCanonical = {"6-any",
                                               "6.3-armv7emsp",
                                               "6.3-armv7m",
                                               "6.3-armv7m-softfp",
                                               "6.2-armv7em",
                                               "6.3-armv7emsp-softfp-reprC",
                                               "6.3-rv32imc-zba",
                                               "6.3-rv32imc-zba-zcmp",
                                               "6.3-x64-reprD",
                                               "6.3-armv7emdp-nofp",
                                               "255.255-rv64imc",
                                               "6-any-int63",
                                               "6.3-x64-reprC-int63"};
  for (const std::string& text : kCanonical) {
    INFO(text);
    CHECK(text_of(format_abi(parse_abi(text).value())) == text);
  }
  // Saying the default is allowed and leads to the same ABI.
  CHECK(parse_abi("6.3-armv7m-nofp-reprA").value() == parse_abi("6.3-armv7m").value());
}

TEST_CASE("every combination survives text and message form") {
  for (Arch arch : kAllArchs) {
    if (arch == Arch::bytecode) continue;
    for (FloatAbi float_abi : {FloatAbi::none, FloatAbi::soft, FloatAbi::hard}) {
      for (ObjectRepr repr : {ObjectRepr::a, ObjectRepr::b, ObjectRepr::c, ObjectRepr::d}) {
        for (std::uint32_t flags = 0; flags < (arch == Arch::rv32imc ? 4 : 1); ++flags) {
          Abi abi{.mpy_version = 6,
                  .sub_version = 3,
                  .arch = arch,
                  .arch_flags = flags,
                  .small_int_bits = 31,
                  .float_abi = float_abi,
                  .object_repr = repr};
          INFO(text_of(format_abi(abi)));
          CHECK(parse_abi(format_abi(abi).view()) == abi);
          abi.small_int_bits = 47;
          CHECK(parse_abi(format_abi(abi).view()) == abi);
          abi.core = arch;
          CHECK(parse_device_abi(format_device_abi(abi).view()) == abi);
          CHECK(abi_from_message(abi_to_message(abi)) == abi);
        }
      }
    }
  }
}

TEST_CASE("the text form of an ABI is parsed strictly") {
  const std::vector<std::string> kMalformed = {"",
                                               "6",
                                               "6.",
                                               "6.3",
                                               "6.3-",
                                               "-any",
                                               "6.3-any",
                                               "6-armv7m",
                                               "6.3-ARMV7M",
                                               "6.3-armv9",
                                               "6.256-armv7m",
                                               "256.3-armv7m",
                                               "99999999999.3-x64",
                                               " 6.3-x64",
                                               "6.3-x64 ",
                                               "6.3-x64-",
                                               "6.3-x64--softfp",
                                               "6.3-x64-softfp-",
                                               "6.3-x64-warm",
                                               "6.3-x64-softfp-hardfp",
                                               "6.3-x64-softfp-softfp",
                                               "6.3-x64-reprA-reprB",
                                               "6.3-rv32imc-zba-zba",
                                               "6-any-softfp",
                                               "6..3-x64",
                                               "6.3x64",
                                               "+6.3-x64",
                                               "06.3-armv7m",
                                               "6.03-armv7m",
                                               "6.3-armv7m-zba",
                                               "6-any-int",
                                               "6-any-int0",
                                               "6-any-int031",
                                               "6-any-int64",
                                               "6-any-int31x",
                                               "6-any-int31-int31",
                                               "6.3-armv7em-core.armv7m",
                                               "6.-x64"};
  for (const std::string& text : kMalformed) {
    INFO(text);
    const auto abi = parse_abi(text);
    REQUIRE(!abi);
    CHECK(abi.error() == Errc::malformed);
  }
}

TEST_CASE(
    "a motherboard's text has its own defaults and says where the core is less than the arch") {
  CHECK(parse_device_abi("6.3-x64")->small_int_bits == 63);
  CHECK(parse_device_abi("6.3-armv7m")->small_int_bits == 31);
  CHECK(parse_device_abi("6.3-armv7m")->core == Arch::armv7m);
  CHECK(parse_device_abi("6.3-armv7em-core.armv7m")->core == Arch::armv7m);
  for (const std::string text : {"6.3-x64", "6.3-x64-int31", "6.3-armv7em-core.armv7m", "6-any",
                                 "6.3-rv32imc-zba", "6.3-armv7emsp-softfp-core.armv6m"}) {
    INFO(text);
    CHECK(text_of(format_device_abi(parse_device_abi(text).value())) == text);
  }
  Abi better_core = parse_device_abi("6.3-armv7em").value();
  better_core.core = Arch::armv7emdp;
  CHECK(text_of(format_device_abi(better_core)) == "6.3-armv7em");
  for (const char* text :
       {"6.3-armv7m-core.armv7em", "6.3-armv7m-core.armv7m", "6.3-x64-core.x86",
        "6.3-armv7em-core.", "6.3-armv7em-core.any", "6.3-armv7em-core.armv7m-core.armv6m"}) {
    INFO(text);
    CHECK(parse_device_abi(text) == tl::unexpected(Errc::malformed));
  }
}

TEST_CASE("numbers that nobody assigned are refused in the message form") {
  const mpyd_v1_Abi good = abi_to_message(example_device());
  REQUIRE(abi_from_message(good));
  const auto refuses = [&](auto change) {
    mpyd_v1_Abi m = good;
    change(m);
    return abi_from_message(m) == tl::unexpected(Errc::malformed);
  };
  CHECK(refuses([](auto& m) { m.mpy_version = 256; }));
  CHECK(refuses([](auto& m) { m.sub_version = 256; }));
  CHECK(refuses([](auto& m) { m.arch = 13; }));
  CHECK(refuses([](auto& m) { m.arch = 0xffffffff; }));
  CHECK(refuses([](auto& m) { m.core = 13; }));
  CHECK(refuses([](auto& m) { m.small_int_bits = 64; }));
  CHECK(refuses([](auto& m) { m.float_abi = 4; }));
  CHECK(refuses([](auto& m) { m.object_repr = 5; }));
}

TEST_CASE("arch names go both ways") {
  for (Arch arch : kAllArchs) CHECK(parse_arch(arch_name(arch)) == arch);
  CHECK(arch_name(static_cast<Arch>(99)) == "unknown");
  CHECK(!parse_arch("unknown"));
}

TEST_CASE("a refusal is one plain sentence that names both sides") {
  Abi device = example_device();
  device.core = Arch::armv7m;
  Abi module = abi_of(Arch::armv7em, FloatAbi::soft);
  struct Row {
    AbiMismatch why;
    std::string sentence;
  };
  const Row kRows[] = {
      {AbiMismatch::mpy_version, "the file has .mpy version 6.3, this firmware reads 6.3"},
      {AbiMismatch::sub_version, "the file has .mpy version 6.3, this firmware reads 6.3"},
      {AbiMismatch::small_int_bits,
       "the file needs small integers of 31 bits, this firmware has 31"},
      {AbiMismatch::arch, "the file is native code for armv7em, this motherboard is armv7emsp"},
      {AbiMismatch::core,
       "the file is native code for armv7em, but this motherboard's core is armv7m whatever its "
       "firmware reports"},
      {AbiMismatch::arch_flags, "the file uses instruction set extensions this motherboard lacks"},
      {AbiMismatch::object_repr,
       "the file was built for another object representation (MICROPY_OBJ_REPR) than this "
       "firmware"},
      {AbiMismatch::float_abi,
       "the file passes floats by the soft-float ABI, this firmware by the hard-float ABI"},
  };
  for (const Row& row : kRows)
    CHECK(std::string(describe(row.why, device, module).view()) == row.sentence);

  Abi bytecode = abi_of(Arch::bytecode);
  bytecode.mpy_version = 5;
  CHECK(std::string(describe(AbiMismatch::mpy_version, device, bytecode).view()) ==
        "the file has .mpy version 5, this firmware reads 6");
}

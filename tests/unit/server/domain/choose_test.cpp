#include "server/domain/choose.hpp"

#include "protocol/trust/verify.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::server {

namespace {

Abi abi_of(std::string_view text) { return parse_abi(text).value(); }
Abi device_of(std::string_view text) { return parse_device_abi(text).value(); }

// Digests tell release and variant apart: "3.1" is the second variant of release 3.
Digest digest_of(std::uint32_t release, std::size_t index) {
  return test::random_fixed<Digest>(release * 100 + index);
}

Release release(std::uint32_t number, std::vector<std::string_view> abis) {
  Release out{.hardware_id = HardwareId::parse("hat:V:0001").value(),
              .driver_name = parse_driver_name("thermo").value(),
              .version = parse_version(std::to_string(number) + ".0.0").value(),
              .release = number};
  for (std::size_t i = 0; i < abis.size(); ++i)
    out.variants.push_back({.abi = abi_of(abis[i]), .digest = digest_of(number, i)});
  return out;
}

Board board_on(std::string_view device, std::uint32_t revision = 5) {
  return {HardwareId::parse("hat:V:0001").value(), revision, device_of(device)};
}

Result<void> trust_all(const Release&, const Variant&) { return {}; }

}  // namespace

TEST_CASE(
    "choose takes the highest release that has an acceptable variant, and of it the closest") {
  struct Row {
    const char* name;
    std::vector<Release> releases;
    const char* device;
    Digest expected;
  };
  const std::vector<Row> rows = {
      {"newest first, whatever the order",
       {release(1, {"6-any"}), release(3, {"6-any"}), release(2, {"6-any"})},
       "6.3-armv7m",
       digest_of(3, 0)},
      {"native before bytecode",
       {release(1, {"6-any", "6.3-armv7m"})},
       "6.3-armv7m",
       digest_of(1, 1)},
      {"the closest arch of the Thumb range",
       {release(1, {"6.3-armv6m", "6.3-armv7m", "6-any"})},
       "6.3-armv7emsp",
       digest_of(1, 1)},
      {"bytecode where no native code fits",
       {release(1, {"6.3-x64", "6-any"})},
       "6.3-armv7m",
       digest_of(1, 1)},
      {"an older release if the newest has nothing for this motherboard",
       {release(2, {"6.3-x64"}), release(1, {"6.3-armv6m"})},
       "6.3-armv7m",
       digest_of(1, 0)},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) {
      const Choice choice = choose(row.releases, board_on(row.device), trust_all);
      REQUIRE(choice.chosen);
      CHECK(choice.chosen->variant->digest == row.expected);
    }
  }
}

TEST_CASE("choose gives one reason for every candidate that is not chosen") {
  std::vector<Release> releases = {release(4, {"6.3-armv7m"}), release(3, {"6.3-armv7m"}),
                                   release(2, {"6.3-armv7m", "6-any", "6.3-x64"}),
                                   release(1, {"6-any"})};
  releases[0].variants[0].withdrawn = true;
  releases[1].revision_min = 6;
  const Choice choice = choose(releases, board_on("6.3-armv7m"), trust_all);
  REQUIRE(choice.chosen);
  CHECK(choice.chosen->variant->digest == digest_of(2, 0));
  CHECK(choice.message == "thermo 2.0.0 for 6.3-armv7m is release 2, the newest that fits");
  REQUIRE(choice.rejected.size() == 5);
  CHECK(choice.rejected[0].reason == "the operator withdrew it");
  CHECK(choice.rejected[1].reason == "it is for revisions from 6, the board has revision 5");
  CHECK(choice.rejected[2].reason == "the file is native code for x64, this motherboard is armv7m");
  CHECK(choice.rejected[3].reason ==
        "6.3-armv7m of the same release is closer to this motherboard");
  CHECK(choice.rejected[4].reason == "release 2 is newer than its release 1");
}

TEST_CASE("choose falls back to what trust accepts and asks trust about nothing older") {
  const std::vector<Release> releases = {release(3, {"6-any"}), release(2, {"6-any"}),
                                         release(1, {"6-any"})};
  std::vector<std::uint32_t> asked;
  const auto trust = [&](const Release& r, const Variant&) -> Result<void> {
    asked.push_back(r.release);
    if (r.release == 3) return fail(Errc::policy);
    return {};
  };
  const Choice choice = choose(releases, board_on("6.3-armv7m"), trust);
  REQUIRE(choice.chosen);
  CHECK(choice.chosen->release->release == 2);
  CHECK(asked == std::vector<std::uint32_t>{3, 2});
  CHECK(choice.rejected[0].code == Errc::policy);
}

TEST_CASE("choose explains by the nearest miss why there is none") {
  struct Row {
    const char* name;
    std::vector<Release> releases;
    Errc trust;  // {}: accepted
    Errc expected;
    std::string message;
  };
  std::vector<Release> out_of_range = {release(2, {"6.3-x64"}), release(1, {"6-any"})};
  out_of_range[1].revision_max = 4;
  const std::vector<Row> rows = {
      {"nothing published", {}, Errc{}, Errc::no_driver, "nothing is published for hat:V:0001"},
      {"only other ABIs",
       {release(1, {"6.3-x64"})},
       Errc{},
       Errc::wrong_abi,
       "thermo 1.0.0 for 6.3-x64: the file is native code for x64, this motherboard is armv7m"},
      {"a revision is nearer than an ABI", out_of_range, Errc{}, Errc::wrong_hardware,
       "thermo 1.0.0 for 6-any: it is for revisions 0 to 4, the board has revision 5"},
      {"trust is nearest",
       {release(2, {"6.3-x64"}), release(1, {"6-any"})},
       Errc::rollback,
       Errc::rollback,
       "thermo 1.0.0 for 6-any: motherboards would refuse it: "
       "its release number is below the policy entry's floor"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) {
      const auto trust = [&](const Release&, const Variant&) -> Result<void> {
        if (row.trust != Errc{})
          return fail(row.trust, std::string(trust::describe_refusal(row.trust)));
        return {};
      };
      const Choice choice = choose(row.releases, board_on("6.3-armv7m"), trust);
      CHECK_FALSE(choice.chosen);
      CHECK(choice.code == row.expected);
      CHECK(choice.message == row.message);
    }
  }
}

TEST_CASE("A16 every motherboard gets the variant made for it, and a reason for each other one") {
  // What a release with everything holds: all arches, of some also what differs beyond the arch.
  const std::vector<std::string_view> everything = {
      "6-any",         "6.3-x86",     "6.3-x64",       "6.3-armv6",       "6.3-armv6m",
      "6.3-armv7m",    "6.3-armv7em", "6.3-armv7emsp", "6.3-armv7emdp",   "6.3-xtensa",
      "6.3-xtensawin", "6.3-rv32imc", "6.3-rv64imc",   "6.3-rv32imc-zba", "6.3-armv7emsp-softfp"};
  struct Row {
    const char* motherboard;
    std::string_view device;
    std::vector<std::string_view> variants;
    std::string_view expected;  // empty: none
    std::string why_not;        // of the last variant, where it is not chosen
  };
  const std::vector<Row> rows = {
      {"a PC", "6.3-x64", everything, "6.3-x64", {}},
      {"Cortex-M7, double precision", "6.3-armv7emdp", everything, "6.3-armv7emdp", {}},
      {"Cortex-M4F", "6.3-armv7emsp", everything, "6.3-armv7emsp",
       "the file passes floats by the soft-float ABI, this firmware by the hard-float ABI"},
      {"Cortex-M4F with soft-float firmware", "6.3-armv7em", everything, "6.3-armv7em", {}},
      {"the same, without code for armv7em",
       "6.3-armv7em",
       {"6-any", "6.3-armv6m", "6.3-armv7m", "6.3-armv7emsp"},
       "6.3-armv7m",
       "the file is native code for armv7emsp, this motherboard is armv7em"},
      {"Cortex-M4F, of a release for armv7m only",
       "6.3-armv7emsp",
       {"6.3-armv7m"},
       "6.3-armv7m",
       {}},
      {"Cortex-M4F, of a release built softfp only",
       "6.3-armv7emsp",
       {"6.3-armv7emsp-softfp"},
       "",
       "the file passes floats by the soft-float ABI, this firmware by the hard-float ABI"},
      {"Cortex-M3 whose firmware reports armv7em",
       "6.3-armv7em-core.armv7m",
       everything,
       "6.3-armv7m",
       {}},
      {"the same, of a release for armv7em only",
       "6.3-armv7em-core.armv7m",
       {"6.3-armv7em"},
       "",
       "the file is native code for armv7em, but this motherboard's core is armv7m whatever its "
       "firmware reports"},
      {"Cortex-M0+", "6.3-armv6m", everything, "6.3-armv6m", {}},
      {"RP2350 in RISC-V mode", "6.3-rv32imc-zba", everything, "6.3-rv32imc-zba", {}},
      {"the same, without a Zba build",
       "6.3-rv32imc-zba",
       {"6-any", "6.3-rv32imc"},
       "6.3-rv32imc",
       {}},
      {"RV32 without Zba",
       "6.3-rv32imc",
       {"6-any", "6.3-rv32imc", "6.3-rv32imc-zba"},
       "6.3-rv32imc",
       "the file uses instruction set extensions this motherboard lacks"},
      {"ESP32", "6.3-xtensawin", {"6.3-armv7m", "6.3-xtensa", "6-any"}, "6-any", {}},
      {"ESP32, of a release for it", "6.3-xtensawin", everything, "6.3-xtensawin", {}},
      {"ESP8266", "6.3-xtensa", everything, "6.3-xtensa", {}},
      {"armv6", "6.3-armv6", everything, "6.3-armv6", {}},
      {"32-bit PC", "6.3-x86", everything, "6.3-x86", {}},
      {"RV64", "6.3-rv64imc", everything, "6.3-rv64imc", {}},
      {"firmware without native code", "6-any", everything, "6-any", {}},
      {"nan-boxing firmware",
       "6.3-x64-reprD",
       {"6-any", "6.3-x64"},
       "6-any",
       "the file was built for another object representation (MICROPY_OBJ_REPR) than this "
       "firmware"},
      {"nan-boxing firmware, no bytecode",
       "6.3-x64-reprD",
       {"6.3-x64"},
       "",
       "the file was built for another object representation (MICROPY_OBJ_REPR) than this "
       "firmware"},
      {"an older sub-version",
       "6.2-armv7m",
       {"6-any", "6.3-armv7m"},
       "6-any",
       "the file has .mpy version 6.3, this firmware reads 6.2"},
      {"another .mpy version",
       "7.0-armv7m",
       {"6.3-armv7m", "6-any"},
       "",
       "the file has .mpy version 6, this firmware reads 7"},
      {"small integers of 31 bits",
       "6.3-armv7m",
       {"6-any", "6-any-int63"},
       "6-any",
       "the file needs small integers of 63 bits, this firmware has 31"},
      {"small integers of 63 bits", "6.3-x64", {"6-any", "6-any-int63"}, "6-any-int63", {}},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.motherboard << ": " << row.device) {
      const std::vector<Release> releases = {release(1, row.variants)};
      const Choice choice = choose(releases, board_on(row.device), trust_all);
      REQUIRE(choice.chosen.has_value() == !row.expected.empty());
      if (choice.chosen) CHECK(format_abi(choice.chosen->variant->abi).view() == row.expected);
      // One sentence for each that is not it.
      CHECK(choice.rejected.size() == row.variants.size() - (choice.chosen ? 1 : 0));
      for (const Rejection& rejection : choice.rejected) {
        CHECK_FALSE(rejection.reason.empty());
        if (!row.why_not.empty() && rejection.candidate.variant->abi == abi_of(row.variants.back()))
          CHECK(rejection.reason == row.why_not);
      }
    }
  }
}

}  // namespace mpyd::server

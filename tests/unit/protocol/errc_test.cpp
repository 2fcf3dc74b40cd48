#include "protocol/errc.hpp"

#include <iterator>
#include <set>
#include <string>

#include "tests/support/catch.hpp"

using namespace mpyd;

namespace {

struct Row {
  Errc code;
  int number;
  std::string_view name;
};

// Devices report these numbers and databases keep them. Never change a row; only append.
const Row kRows[] = {
    {Errc::truncated, 1, "truncated"},
    {Errc::trailing, 2, "trailing"},
    {Errc::bad_magic, 3, "bad_magic"},
    {Errc::bad_checksum, 4, "bad_checksum"},
    {Errc::malformed, 5, "malformed"},
    {Errc::unsupported, 6, "unsupported"},
    {Errc::limit, 7, "limit"},
    {Errc::blank, 8, "blank"},
    {Errc::undecided, 9, "undecided"},
    {Errc::bad_signature, 20, "bad_signature"},
    {Errc::threshold, 21, "threshold"},
    {Errc::bad_digest, 22, "bad_digest"},
    {Errc::decryption, 23, "decryption"},
    {Errc::no_key, 24, "no_key"},
    {Errc::untrusted, 40, "untrusted"},
    {Errc::revoked, 41, "revoked"},
    {Errc::expired, 42, "expired"},
    {Errc::rollback, 43, "rollback"},
    {Errc::policy, 44, "policy"},
    {Errc::wrong_hardware, 45, "wrong_hardware"},
    {Errc::wrong_abi, 46, "wrong_abi"},
    {Errc::equivocation, 47, "equivocation"},
    {Errc::no_driver, 60, "no_driver"},
    {Errc::unknown_device, 61, "unknown_device"},
    {Errc::replayed, 62, "replayed"},
    {Errc::key_retired, 63, "key_retired"},
    {Errc::unreachable, 64, "unreachable"},
    {Errc::timeout, 65, "timeout"},
    {Errc::not_approved, 66, "not_approved"},
    {Errc::io, 80, "io"},
    {Errc::memory, 81, "memory"},
    {Errc::no_device, 82, "no_device"},
    {Errc::driver_error, 83, "driver_error"},
    {Errc::quarantined, 84, "quarantined"},
    {Errc::load_error, 85, "load_error"},
    {Errc::missing_module, 86, "missing_module"},
    {Errc::power, 87, "power"},
    {Errc::write_protected, 88, "write_protected"},
    {Errc::not_found, 100, "not_found"},
    {Errc::conflict, 101, "conflict"},
    {Errc::unauthorised, 102, "unauthorised"},
    {Errc::forbidden, 103, "forbidden"},
    {Errc::invalid_argument, 104, "invalid_argument"},
    {Errc::too_many_requests, 105, "too_many_requests"},
    {Errc::changed, 110, "changed"},
    {Errc::key_reused, 111, "key_reused"},
    {Errc::in_progress, 112, "in_progress"},
    {Errc::not_ready, 113, "not_ready"},
    {Errc::internal, 127, "internal"},
};

// A new enumerator without a case is a compiler error here (-Wswitch), and the case leads to the
// table.
constexpr int number_of_rows() {
  int count = 0;
  for (int number = 0; number < 256; ++number) {
    switch (static_cast<Errc>(number)) {
      case Errc::truncated:
      case Errc::trailing:
      case Errc::bad_magic:
      case Errc::bad_checksum:
      case Errc::malformed:
      case Errc::unsupported:
      case Errc::limit:
      case Errc::blank:
      case Errc::undecided:
      case Errc::bad_signature:
      case Errc::threshold:
      case Errc::bad_digest:
      case Errc::decryption:
      case Errc::no_key:
      case Errc::untrusted:
      case Errc::revoked:
      case Errc::expired:
      case Errc::rollback:
      case Errc::policy:
      case Errc::wrong_hardware:
      case Errc::wrong_abi:
      case Errc::equivocation:
      case Errc::no_driver:
      case Errc::unknown_device:
      case Errc::replayed:
      case Errc::key_retired:
      case Errc::unreachable:
      case Errc::timeout:
      case Errc::not_approved:
      case Errc::io:
      case Errc::memory:
      case Errc::no_device:
      case Errc::driver_error:
      case Errc::quarantined:
      case Errc::load_error:
      case Errc::missing_module:
      case Errc::power:
      case Errc::write_protected:
      case Errc::not_found:
      case Errc::conflict:
      case Errc::unauthorised:
      case Errc::forbidden:
      case Errc::invalid_argument:
      case Errc::too_many_requests:
      case Errc::changed:
      case Errc::key_reused:
      case Errc::in_progress:
      case Errc::not_ready:
      case Errc::internal:
        ++count;
    }
  }
  return count;
}
static_assert(std::size(kRows) == number_of_rows());

}  // namespace

TEST_CASE("error numbers never change, and every error has a name and a sentence") {
  std::set<std::string_view> names;
  std::set<std::string_view> sentences;
  for (const Row& row : kRows) {
    INFO(row.name);
    CHECK(static_cast<int>(row.code) == row.number);
    CHECK(name(row.code) == row.name);
    const std::string_view sentence = describe(row.code);
    CHECK(sentence.size() > 10);
    CHECK(sentence.back() != '.');
    CHECK(sentence != describe(Errc{999}));
    names.insert(row.name);
    sentences.insert(sentence);
  }
  CHECK(names.size() == std::size(kRows));
  CHECK(sentences.size() == std::size(kRows));
}

TEST_CASE("a number from a newer peer is unknown but harmless") {
  for (int number : {0, 10, 99, 126, 128, 65535}) {
    CHECK(name(static_cast<Errc>(number)) == "unknown");
    CHECK(!describe(static_cast<Errc>(number)).empty());
  }
}

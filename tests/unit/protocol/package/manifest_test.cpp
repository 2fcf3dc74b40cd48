#include "protocol/package/manifest.hpp"

#include <functional>
#include <string>

#include "mpyd/v1/package.pb.h"
#include "tests/support/catch.hpp"
#include "tests/support/packages.hpp"

using namespace mpyd;
using namespace std::string_literals;
using mpyd::test::Buffer;

namespace {

Manifest full_manifest() {
  Manifest m = test::example_manifest();
  m.required_modules.push_back(ModuleName::make("machine").value());
  m.required_modules.push_back(ModuleName::make("asyncio").value());
  m.abi.arch_flags = 3;
  return test::build_package(m, Buffer(5000, std::byte{1}), {}).manifest;
}

Buffer bytes_of(const Manifest& manifest) {
  Buffer out(kManifestBytesMax);
  out.resize(format_manifest(manifest, out).value());
  return out;
}

v1::Manifest message_of(const Manifest& manifest) {
  v1::Manifest m;
  REQUIRE(m.ParseFromString(std::string(as_text(bytes_of(manifest)))));
  return m;
}

Result<Manifest> parse_message(const v1::Manifest& m) {
  return parse_manifest(test::copy(m.SerializeAsString()));
}

void check_equal(const Manifest& a, const Manifest& b) {
  CHECK(a.driver_name == b.driver_name);
  CHECK(a.version == b.version);
  CHECK(a.release == b.release);
  CHECK(a.hardware_id == b.hardware_id);
  CHECK(a.revision_min == b.revision_min);
  CHECK(a.revision_max == b.revision_max);
  CHECK(a.abi == b.abi);
  CHECK(a.driver_interface == b.driver_interface);
  CHECK(a.required_modules.size() == b.required_modules.size());
  for (std::size_t i = 0; i < a.required_modules.size(); ++i)
    CHECK(a.required_modules[i] == b.required_modules[i]);
  CHECK(a.plain_bytes == b.plain_bytes);
  CHECK(a.ram_bytes == b.ram_bytes);
  CHECK(a.chunk_bytes == b.chunk_bytes);
  CHECK(a.chunk_count == b.chunk_count);
  CHECK(a.body_bytes == b.body_bytes);
  CHECK(a.first_chunk_digest == b.first_chunk_digest);
  CHECK(a.encryption == b.encryption);
  CHECK(a.stream_header == b.stream_header);
  CHECK(a.commitment == b.commitment);
  CHECK(a.created_unix_s == b.created_unix_s);
}

using Change = std::function<void(v1::Manifest&)>;
struct Row {
  const char* what;
  Errc error;
  Change change;
};

void check_refused(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    INFO(row.what);
    v1::Manifest m = message_of(full_manifest());
    REQUIRE(parse_message(m));
    row.change(m);
    const auto parsed = parse_message(m);
    REQUIRE(!parsed);
    CHECK(parsed.error() == row.error);
  }
}

}  // namespace

TEST_CASE("a manifest survives writing and reading, encrypted and public") {
  Manifest m = full_manifest();
  check_equal(parse_manifest(bytes_of(m)).value(), m);
  m = test::example_manifest();
  m.encryption = Encryption::none;
  m = test::build_package(m, as_bytes("M"), {}).manifest;
  check_equal(parse_manifest(bytes_of(m)).value(), m);
}

TEST_CASE("libprotobuf reads every field of a manifest as nanopb wrote it") {
  const Manifest m = full_manifest();
  const v1::Manifest p = message_of(m);
  CHECK(p.format() == kFormat);
  CHECK(p.min_reader() == 0);
  CHECK(p.driver_name() == "thermo");
  CHECK(p.version() == "1.4.0");
  CHECK(p.release() == 14);
  CHECK(p.hardware_id() == "hat:Meadow%20Instruments:0042");
  CHECK(p.revision_min() == 2);
  CHECK(p.revision_max() == 7);
  CHECK(p.abi().mpy_version() == 6);
  CHECK(p.abi().sub_version() == 3);
  CHECK(p.abi().arch() == 5);
  CHECK(p.abi().arch_flags() == 3);
  CHECK(p.abi().small_int_bits() == 31);
  CHECK(p.abi().float_abi() == 1);
  CHECK(p.abi().object_repr() == 1);
  CHECK(p.driver_interface() == 1);
  REQUIRE(p.required_modules_size() == 2);
  CHECK(p.required_modules(1) == "asyncio");
  CHECK(p.plain_bytes() == 5000);
  CHECK(p.ram_bytes() == 5000);
  CHECK(p.chunk_bytes() == 2048);
  CHECK(p.chunk_count() == 3);
  CHECK(p.body_bytes() == 5000 + 3 * (17 + 32));
  CHECK(p.first_chunk_digest() == as_text(m.first_chunk_digest.bytes()));
  CHECK(p.encryption() == 1);
  CHECK(p.stream_header() == as_text(m.stream_header.bytes()));
  CHECK(p.commitment() == as_text(m.commitment.bytes()));
  CHECK(p.created_unix_s() == 1767225600);
  // And both write the same bytes.
  CHECK(same_bytes(test::copy(p.SerializeAsString()), bytes_of(m)));
}

TEST_CASE("A30 a text with a NUL inside, which two readers would read differently, is refused") {
  using namespace std::string_literals;
  check_refused({
      {"driver name", Errc::malformed, [](v1::Manifest& m) { m.set_driver_name("th\0rmo"s); }},
      {"version", Errc::malformed, [](v1::Manifest& m) { m.set_version("1.4.0\0-rc"s); }},
      {"hardware ID", Errc::malformed, [](v1::Manifest& m) { m.set_hardware_id("hat:A:1\0x"s); }},
      {"module", Errc::malformed, [](v1::Manifest& m) { m.set_required_modules(0, "ti\0me"s); }},
  });
}

TEST_CASE("a newer format, min_reader or driver interface is refused as unsupported") {
  check_refused({
      {"format", Errc::unsupported, [](auto& m) { m.set_format(kFormat + 1); }},
      {"min_reader", Errc::unsupported, [](auto& m) { m.set_min_reader(kFormat + 1); }},
      {"driver interface", Errc::unsupported, [](auto& m) { m.set_driver_interface(2); }},
      {"no driver interface", Errc::unsupported, [](auto& m) { m.clear_driver_interface(); }},
      {"encryption", Errc::unsupported, [](auto& m) { m.set_encryption(2); }},
  });
}

TEST_CASE("A15 the sizes of a manifest must agree with one another") {
  check_refused({
      {"plain + 2048", Errc::malformed, [](auto& m) { m.set_plain_bytes(5000 + 2048); }},
      {"plain + 1", Errc::malformed, [](auto& m) { m.set_plain_bytes(5001); }},
      {"no plain", Errc::malformed, [](auto& m) { m.set_plain_bytes(0); }},
      {"chunk count", Errc::malformed, [](auto& m) { m.set_chunk_count(2); }},
      {"no chunks", Errc::malformed, [](auto& m) { m.set_chunk_count(0); }},
      {"body", Errc::malformed, [](auto& m) { m.set_body_bytes(m.body_bytes() - 1); }},
      {"body", Errc::malformed, [](auto& m) { m.set_body_bytes(0xffffffff); }},
      {"no chunk size", Errc::malformed, [](auto& m) { m.set_chunk_bytes(0); }},
      {"small chunks", Errc::malformed, [](auto& m) { m.set_chunk_bytes(255); }},
      {"large chunks", Errc::limit, [](auto& m) { m.set_chunk_bytes(4097); }},
      {"huge chunks", Errc::limit, [](auto& m) { m.set_chunk_bytes(0xffffffff); }},
      {"huge plain", Errc::limit, [](auto& m) { m.set_plain_bytes(0xffffffff); }},
      {"plain over 1 MiB", Errc::limit, [](auto& m) { m.set_plain_bytes((1 << 20) + 1); }},
      {"encryption", Errc::malformed, [](auto& m) { m.set_encryption(0); }},
  });
}

TEST_CASE("A30 strings, lists and byte fields of a manifest are bounded") {
  const std::string x33(33, 'x');
  check_refused({
      {"driver name", Errc::malformed, [&](auto& m) { m.set_driver_name(x33); }},
      {"version", Errc::malformed, [](auto& m) { m.set_version("1.0.0-" + std::string(27, 'a')); }},
      {"hardware ID", Errc::malformed,
       [](auto& m) { m.set_hardware_id("hat:a:" + std::string(91, 'b')); }},
      {"module name", Errc::malformed,
       [](auto& m) { m.add_required_modules(std::string(25, 'm')); }},
      {"9 modules", Errc::malformed,
       [](auto& m) {
         while (m.required_modules_size() < 9) m.add_required_modules("m");
       }},
      {"empty module", Errc::malformed, [](auto& m) { m.add_required_modules(""); }},
      {"digest short", Errc::malformed, [](auto& m) { m.set_first_chunk_digest("short"); }},
      {"digest long", Errc::malformed, [&](auto& m) { m.set_first_chunk_digest(x33); }},
      {"no digest", Errc::malformed, [](auto& m) { m.clear_first_chunk_digest(); }},
      {"stream header", Errc::malformed,
       [](auto& m) { m.set_stream_header(std::string(23, 'h')); }},
      {"no stream header", Errc::malformed, [](auto& m) { m.clear_stream_header(); }},
      {"no commitment", Errc::malformed, [](auto& m) { m.clear_commitment(); }},
  });
}

TEST_CASE("A37 names, versions and ranges of a manifest are checked") {
  check_refused({
      {"path", Errc::malformed, [](auto& m) { m.set_driver_name("../boot"); }},
      {"no name", Errc::malformed, [](auto& m) { m.clear_driver_name(); }},
      {"hardware ID", Errc::malformed, [](auto& m) { m.set_hardware_id("hat:a b:c"); }},
      {"no hardware ID", Errc::malformed, [](auto& m) { m.clear_hardware_id(); }},
      {"version", Errc::malformed, [](auto& m) { m.set_version("1.0"); }},
      {"release", Errc::malformed, [](auto& m) { m.set_release(0); }},
      {"range", Errc::malformed, [](auto& m) { m.set_revision_min(8); }},
      {"no ABI", Errc::malformed, [](auto& m) { m.clear_abi(); }},
      {"arch", Errc::malformed, [](auto& m) { m.mutable_abi()->set_arch(77); }},
  });
}

TEST_CASE("a public manifest carries neither stream header nor commitment") {
  Manifest m = test::example_manifest();
  m.encryption = Encryption::none;
  v1::Manifest p = message_of(test::build_package(m, as_bytes("M"), {}).manifest);
  REQUIRE(parse_message(p));
  p.set_commitment(std::string(32, 'c'));
  CHECK(parse_message(p).error() == Errc::malformed);
  p.clear_commitment();
  p.set_stream_header(std::string(24, 'h'));
  CHECK(parse_message(p).error() == Errc::malformed);
}

TEST_CASE(
    "unknown fields of a manifest are ignored: a newer writer that restricts raises min_reader") {
  const Buffer bytes = bytes_of(full_manifest());
  check_equal(parse_manifest(test::concat(bytes, test::from_hex("a006 2a"))).value(),
              full_manifest());
}

TEST_CASE("A30 a manifest above its bound is refused before it is decoded") {
  CHECK(parse_manifest(Buffer(kManifestBytesMax + 1)).error() == Errc::limit);
  CHECK(parse_manifest(Buffer(kManifestBytesMax)).error() == Errc::malformed);
  CHECK(parse_manifest({}).error() == Errc::malformed);
}

TEST_CASE("A02 every truncation and bit flip of a manifest is read to a manifest or an error") {
  const Buffer bytes = bytes_of(full_manifest());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto parsed = parse_manifest(Bytes(bytes).first(size));
    if (parsed) CHECK(parsed->created_unix_s == 0);  // only the last field may go unnoticed
  }
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto parsed = parse_manifest(test::with_flipped_bit(bytes, bit));
    if (parsed) CHECK(parsed->body_bytes == body_bytes_of(*parsed));
  }
}

TEST_CASE("a manifest that does not fit its buffer is an error, not half a manifest") {
  const Manifest m = full_manifest();
  const std::size_t size = bytes_of(m).size();
  Buffer out(size);
  CHECK(format_manifest(m, out) == size);
  for (std::size_t room = 0; room < size; room += 7)
    CHECK(format_manifest(m, MutableBytes(out).first(room)).error() == Errc::limit);
}

TEST_CASE("sizes of chunks and body follow from the plaintext's size") {
  struct SizeRow {
    Encryption encryption;
    std::uint32_t plain, chunk, count, last_wire, body;
  };
  const SizeRow kRows[] = {
      {Encryption::secretstream, 1, 256, 1, 1 + 49, 50},
      {Encryption::secretstream, 256, 256, 1, 256 + 49, 305},
      {Encryption::secretstream, 257, 256, 2, 1 + 49, 257 + 98},
      {Encryption::none, 1, 256, 1, 33, 33},
      {Encryption::none, 512, 256, 2, 288, 576},
      {Encryption::none, 1 << 20, 256, 4096, 288, (1 << 20) + 4096 * 32},
      {Encryption::secretstream, 1 << 20, 4096, 256, 4096 + 49, (1 << 20) + 256 * 49},
  };
  for (const SizeRow& row : kRows) {
    INFO(row.plain << " in chunks of " << row.chunk);
    Manifest m;
    m.encryption = row.encryption;
    m.plain_bytes = row.plain;
    m.chunk_bytes = row.chunk;
    CHECK(chunk_count_of(row.plain, row.chunk) == row.count);
    CHECK(wire_chunk_bytes(m, row.count - 1) == row.last_wire);
    CHECK(body_bytes_of(m) == row.body);
  }
}

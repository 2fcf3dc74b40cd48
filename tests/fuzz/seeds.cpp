// fuzz_seeds FOLDER: first inputs for the fuzz targets that are built from our formats, written by
// the code that publishers, servers and devices use. libFuzzer's -merge=1 makes a corpus of them.
#include <array>
#include <filesystem>
#include <iostream>

#include "protocol/eeprom/hat_writer.hpp"
#include "protocol/eeprom/hexpansion_writer.hpp"
#include "tests/support/packages.hpp"
#include "tests/support/server/device.hpp"
#include "tests/support/server/drivers.hpp"
#include "tests/support/trust_documents.hpp"

namespace mpyd::test {
namespace {

class Folder {
 public:
  explicit Folder(std::filesystem::path path) : path_(std::move(path)) {}

  // `choice`: the first byte, with which a target chooses what to do; below 0: it has none.
  void add(const std::string& target, int choice, Bytes bytes) {
    Buffer out;
    if (choice >= 0) out.push_back(static_cast<std::byte>(choice));
    out.insert(out.end(), bytes.begin(), bytes.end());
    std::filesystem::create_directories(path_ / target);
    std::ofstream file(path_ / target / ("seed" + std::to_string(count_++)), std::ios::binary);
    file.write(as_text(out).data(), static_cast<std::streamsize>(out.size()));
  }
  void add(const std::string& target, int choice, std::string_view text) {
    add(target, choice, as_bytes(text));
  }

 private:
  std::filesystem::path path_;
  int count_ = 0;
};

void add_drivers(Folder& out) {
  for (const auto* hex : {&kAnyMpy, &kArmv6mMpy, &kArmv7mMpy, &kX64Mpy})
    out.add("mpy", -1, from_hex(*hex));
}

void add_packages(Folder& out) {
  const Buffer plain = Random(1).bytes(900);
  for (const Encryption encryption : {Encryption::none, Encryption::secretstream}) {
    Manifest manifest = example_manifest();
    manifest.chunk_bytes = 512;
    manifest.encryption = encryption;
    const BuiltPackage built = build_package(manifest, plain, {make_signer(1), make_signer(2)});
    const Buffer block =
        build_key_block(built, {make_exchange_pair(1).key, make_exchange_pair(2).key});
    out.add("package", 0, built.bytes);
    out.add("package", 1, built.bytes);
    out.add("key_block", -1, block);
    const std::array<eeprom::BoardPackage, 2> packages{{{built.bytes, block}, {built.bytes, {}}}};
    Buffer image(kEepromBytesMax);
    const std::size_t size = eeprom::write_hat({.vendor = "Meadow Instruments",
                                                .product = "Thermo",
                                                .product_id = 0x42,
                                                .product_version = 3,
                                                .configuration = as_bytes("offset=3"),
                                                .packages = packages},
                                               image)
                                 .value();
    for (const int choice : {0, 1, 2}) out.add("eeprom", choice, Bytes(image).first(size));
    const std::uint32_t end = eeprom::write_hexpansion({.vid = 0xcafe,
                                                        .pid = 0x42,
                                                        .unique_id = 7,
                                                        .friendly_name = "Thermo",
                                                        .page_bytes = 32,
                                                        .total_bytes = 8192,
                                                        .configuration = as_bytes("offset=3"),
                                                        .packages = packages,
                                                        .reserve = {1024, 32}},
                                                       image)
                                  .value();
    for (const int choice : {0, 3, 5}) out.add("eeprom", choice, Bytes(image).first(end));
  }
}

// Layouts that others write.
void add_foreign_eeproms(Folder& out) {
  out.add("eeprom", 0, read_vector("life-hello.eep"));
  out.add("eeprom", 6, std::string("\x05HELLO\x04test\x03", 12));
  const std::string json = R"({"pins":[1,{"a":"b"}],"name":"B\u00e9","driver":"d"})";
  out.add("eeprom", 0, "JSON" + std::string(1, static_cast<char>(json.size())) + json);
  Buffer cape(244, std::byte{0x30});
  copy_bytes(from_hex("aa5533ee 4131"), cape);
  out.add("eeprom", 0, cape);
  // Header; area; maker, product, serial and part number, each in another encoding; end.
  const Buffer fru = concat(from_hex("01 00 00 01 00 00 00 fe 01 04 00 102030"),
                            from_hex("c2 4d49 42 1234 83 29dca6 02 4142 c1 00 00 00 00 00 00 00"));
  out.add("eeprom", 4, fru);
  out.add("eeprom", 7, from_hex("6400 0010 03 0002 6d707964 05 0b000000 01 01000000 40000000"));
}

void add_trust(Folder& out) {
  const std::vector<Signer> signers = {make_signer(1), make_signer(2)};
  const v1::Root root = example_root(signers, 2, {make_signer(3)});
  v1::TargetsHead head = example_head();
  head.add_revoked_keys(text_of(make_signer(9).key.bytes()));
  v1::PolicyEntry entry = example_entry(signers, 2);
  entry.set_floor_release(3);
  entry.set_mode(1);
  for (auto* digests : {entry.mutable_revoked_digests(), entry.mutable_approved_digests(),
                        entry.mutable_pinned_digests()})
    digests->Add(text_of(random_fixed<Digest>(4).bytes()));
  v1::EntryProof proof;
  proof.set_entry(entry.SerializeAsString());
  proof.set_index(1);
  proof.add_path(text_of(random_fixed<Digest>(5).bytes()));
  out.add("trust", 0, serialise(root));
  out.add("trust", 1, serialise(head));
  out.add("trust", 2, serialise(entry));
  out.add("trust", 3, signed_document(root, trust::kRootPrefix, signers));
  out.add("trust", 4, serialise(proof));
}

void add_syncs(Folder& out) {
  ServerWorld world;
  world.set_policy({world.entry()});
  must(world.publish({}));
  SyncingDevice device(world.server_key.public_key);
  must(world.devices.enroll(device.pair.key, "bench", "seeds"));
  v1::SyncRequest request = device.request();
  v1::BoardReport& board = SyncingDevice::add_board(request);
  board.add_cached_digests(text_of(random_fixed<Digest>(6).bytes()));
  board.set_serial("serial");
  v1::Event& event = *request.add_events();
  event.set_kind(5);
  event.set_digest(text_of(random_fixed<Digest>(7).bytes()));
  const Buffer sealed = device.seal(request);
  out.add("sync", 0, request.SerializeAsString());
  out.add("sync", 1, device.exchange(world.sync, request).SerializeAsString());
  out.add("sync", 2, sealed);
  out.add("sync", 2, device.answer_bytes);
  const std::string post = "POST /v1/device/sync HTTP/1.1\r\nHost: t\r\n";
  out.add("http_request", 40,
          post + "Content-Length: " + std::to_string(sealed.size()) + "\r\n\r\n" + text_of(sealed));
  out.add("http_request", 40,
          post +
              "Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n"
              "Trailer: 1\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n");
}

void add_requests(Folder& out) {
  for (const char* target : {"/healthz", "/readyz", "/v1/device/root/1", "/v1/device/targets",
                             "/v1/packages/00", "/v1/%61dmin?a=b&c"}) {
    const std::string head = std::string(target) + " HTTP/1.1\r\nHost: t\r\n";
    out.add("http_request", 7,
            "GET " + head + "Range: bytes=0-9\r\n\r\nHEAD " + head +
                "X-Request-Id: one\r\nConnection: close\r\n\r\n");
  }
  for (const char* answer :
       {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: x\r\n\r\nhello",
        "HTTP/1.0 404 Not Found\r\ncontent-length:\t0 \r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 206 Partial\r\nContent-Length: 4294967297\r\n\r\n"})
    out.add("device_http", 0, std::string("\x40\x05", 2) + answer);
}

void add_admin(Folder& out) {
  const std::string id = R"("hardware_id":"hat:Meadow%20Instruments:0042")";
  const std::string digest(64, 'a');
  out.add("admin_json", 0, R"({"head":"aGVhZA==","entries":["ZW50cnk="]})");
  out.add("admin_json", 1,
          "{" + id + R"(,"driver_name":"thermo","version":"1.4.0","release":1,"revision_min":0,)" +
              R"("revision_max":9,"variants":[{"abi":"6.3-armv7m","plain_sha256":")" + digest +
              R"(","plain_bytes":9,"requires":["machine"],"driver_interface":1,)" +
              R"("encryption":"secretstream"}]})");
  for (const int choice : {2, 3})
    out.add("admin_json", choice, "{" + id + R"(,"version":"1.4.0","abi":"6.3-armv7m"})");
  out.add("admin_json", 4, R"({"public_key":")" + digest + R"(","name":"bench"})");
  out.add("admin_json", 5,
          R"({"name":"ci","scopes":["read","publish"],"expires_unix_s":1900000000,"uses_max":1})");
  out.add("admin_json", 11, R"({"root":"cm9vdA=="})");
  out.add("admin_json", 12, R"({"host":"drivers.example","port":8780})");
  out.add("admin_json", 13, R"({"generation":2})");
  out.add("admin_json", 14, R"({"by":"fedcba9876543210"})");
  ServerWorld world;
  out.add("admin_json", 6, world.package({}));
  out.add("admin_json", 7, "hardware_id=hat:Meadow%20Instruments:0042&driver_name=thermo");
  out.add("admin_json", 9, "after=1&limit=10");
  out.add("admin_json", 10, "hardware_id=hat:Meadow%20Instruments:0042&revision=3&abi=6.3-armv7m");
}

}  // namespace
}  // namespace mpyd::test

int main(int argc, char** argv) {
  using namespace mpyd::test;
  if (argc != 2) {
    std::cerr << "usage: fuzz_seeds FOLDER\n";
    return 2;
  }
  Folder out(argv[1]);
  add_drivers(out);
  add_packages(out);
  add_foreign_eeproms(out);
  add_trust(out);
  add_syncs(out);
  add_requests(out);
  add_admin(out);
  return 0;
}

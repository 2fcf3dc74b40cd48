// A server for the tests in this folder: tests/support/agent's ScriptedServer behind a loopback
// socket.
//
//   scripted_server DIR [IMAGE DRIVER PRODUCT CONFIG FILE.mpy]...
//
// Signs every FILE as release 1.0.0 of DRIVER for board PRODUCT (4 hex digits), small ones in
// chunks of 256 bytes, writes DIR/identity and DIR/IMAGE.eep (with CONFIG as its configuration;
// with the package itself if CONFIG is "package"; with room to store it, the package being public,
// if CONFIG is "store"), prints "ready", and serves until standard input ends.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>

#include "mpyd/v1/identity.pb.h"
#include "protocol/mpy/header.hpp"
#include "tests/support/agent/boards.hpp"

namespace mpyd::test {
namespace {

Buffer read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const Bytes bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

void write_file(const std::string& path, Bytes bytes) {
  std::ofstream file(path, std::ios::binary);
  file << as_text(bytes);
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

struct Driver {
  std::string image, name, product, config, file;

  std::string hardware_id() const { return "hat:Meadow%20Instruments:" + product; }
  std::uint16_t product_id() const {
    return static_cast<std::uint16_t>(std::stoul(product, nullptr, 16));
  }
};

BuiltPackage build(const Driver& driver) {
  const Buffer mpy = read_file(driver.file);
  Manifest manifest = driver_manifest(driver.hardware_id().c_str());
  manifest.driver_name = parse_driver_name(driver.name).value();
  manifest.version = parse_version("1.0.0").value();
  manifest.abi = with_defaults(mpy::parse_header(mpy).value().abi);
  manifest.ram_bytes = static_cast<std::uint32_t>(mpy.size());
  if (driver.config == "store") manifest.encryption = Encryption::none;
  if (mpy.size() > 16384) manifest.chunk_bytes = kChunkBytesDefault;
  return build_package(manifest, mpy, {publisher()}, 1000U + driver.product_id());
}

void publish(ScriptedServer& server, const Driver& driver, const BuiltPackage& package) {
  v1::PolicyEntry entry = example_entry({publisher()});
  entry.set_hardware_id(driver.hardware_id());
  entry.set_driver_name(driver.name);
  entry.set_eeprom_packages(1);
  server.entries[driver.hardware_id()] = entry;
  server.decide(driver.hardware_id(), {.package = &package, .message = "the newest release"});
}

void write_identity(const ScriptedServer& server, unsigned port, const std::string& path) {
  v1::Identity identity;
  identity.set_format(kFormat);
  identity.set_device_secret_key(text_of(make_exchange_pair(60).secret.bytes()));
  identity.set_root(text_of(server.roots.begin()->second));
  identity.set_server_host("127.0.0.1");
  identity.set_server_port(port);
  write_file(path, serialise(identity));
  std::filesystem::permissions(path, std::filesystem::perms::owner_read);
}

// On a free port, which is returned.
int listen_on_loopback(unsigned& port) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, any, size) != 0 || listen(listener, 8) != 0 ||
      getsockname(listener, any, &size) != 0)
    throw std::runtime_error("cannot listen on loopback");
  port = ntohs(address.sin_port);
  return listener;
}

// One request, one answer.
void serve(ScriptedServer& server, int connection) {
  (void)server.open("", 0);
  std::array<std::byte, 4096> buffer{};
  while (true) {
    const auto answered = server.receive(buffer);
    if (!answered) break;
    if (*answered != 0) {
      if (write(connection, buffer.data(), *answered) < 0) break;
      continue;
    }
    const ssize_t got = read(connection, buffer.data(), buffer.size());
    if (got <= 0) break;
    Bytes asked = Bytes(buffer).first(static_cast<std::size_t>(got));
    while (!asked.empty()) asked = asked.subspan(server.send(asked).value());
  }
  server.close();
  close(connection);
}

Buffer image_of(const Driver& driver, const BuiltPackage& package) {
  if (driver.config == "package") return board_image(driver.product_id(), package.bytes);
  if (driver.config == "store") {
    Buffer image = hat_image({.store_bytes = 4096}, 32, driver.product_id());
    image.resize(8192, std::byte{0xff});
    return image;
  }
  return board_image(driver.product_id(), {}, 3, as_bytes(driver.config));
}

void run(const std::string& folder, const std::vector<Driver>& drivers) {
  ScriptedServer server;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  server.unix_s =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  server.head_body.set_expires_unix_s(server.unix_s + 1'000'000);
  std::deque<BuiltPackage> packages;
  for (const Driver& driver : drivers) {
    const BuiltPackage& package = packages.emplace_back(build(driver));
    publish(server, driver, package);
    write_file(folder + "/" + driver.image + ".eep", image_of(driver, package));
  }
  server.publish_head();
  unsigned port = 0;
  const int listener = listen_on_loopback(port);
  write_identity(server, port, folder + "/identity");
  std::cout << "ready" << std::endl;

  std::array<pollfd, 2> wanted{pollfd{STDIN_FILENO, POLLIN, 0}, pollfd{listener, POLLIN, 0}};
  while (poll(wanted.data(), wanted.size(), -1) > 0 && wanted[0].revents == 0)
    if (wanted[1].revents != 0) serve(server, accept(listener, nullptr, nullptr));
}

}  // namespace
}  // namespace mpyd::test

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() % 5 != 1) return 2;
  std::vector<mpyd::test::Driver> drivers;
  for (std::size_t i = 1; i < arguments.size(); i += 5)
    drivers.push_back(
        {arguments[i], arguments[i + 1], arguments[i + 2], arguments[i + 3], arguments[i + 4]});
  try {
    mpyd::test::run(arguments[0], drivers);
  } catch (const std::exception& e) {
    std::cerr << "scripted_server: " << e.what() << '\n';
    return 1;
  }
  return 0;
}

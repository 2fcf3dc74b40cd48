// mpyd-fleet --identity fleet.mpyd --devices N [--board IMAGE]... [--abi 6.3-armv7m] [--timeout S]
//
// Starts N motherboards, runs until each is settled, prints one line of JSON, and does the same for
// every line on stdin: `boot` restarts all (their storage stays), `add N` adds some.
#include <sys/resource.h>
#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "tests/support/fleet/fleet.hpp"

namespace mpyd::test {
namespace {

namespace json = boost::json;

struct Options {
  std::string identity;
  std::size_t devices = 0;
  std::vector<std::string> boards;
  std::string abi = "6.3-armv7m";
  std::uint32_t timeout_ms = 60'000;
};

Options parse(int argc, char** argv) {
  Options out;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const char* const value = argv[i + 1];
    if (name == "--identity")
      out.identity = value;
    else if (name == "--devices")
      out.devices = std::strtoul(value, nullptr, 10);
    else if (name == "--board")
      out.boards.emplace_back(value);
    else if (name == "--abi")
      out.abi = value;
    else if (name == "--timeout")
      out.timeout_ms = static_cast<std::uint32_t>(std::strtoul(value, nullptr, 10) * 1000);
    else
      throw std::runtime_error("unknown option " + std::string(name));
  }
  return out;
}

Buffer read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const Bytes bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

Abi device_abi(const std::string& text) {
  Abi abi = parse_abi(text).value();
  abi.small_int_bits = 31;
  abi.core = abi.arch;
  return abi;
}

json::object percentiles(std::vector<std::uint32_t> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  const auto at = [&](std::size_t percent) { return values[(values.size() - 1) * percent / 100]; };
  return {{"p50", at(50)}, {"p99", at(99)}, {"max", values.back()}};
}

json::object result_of(const Fleet& fleet, bool settled, std::uint32_t elapsed_ms) {
  std::map<std::string, std::size_t, std::less<>> states;
  std::size_t running = 0;
  std::size_t syncs = 0;
  std::vector<std::uint32_t> synced_ms;
  std::vector<std::uint32_t> settled_ms;
  json::array devices;
  for (const auto& motherboard : fleet.motherboards()) {
    const Fate& fate = motherboard->fate();
    const std::string state = fate.offline != Errc{} ? std::string(name(fate.offline))
                              : fate.synced != 0     ? "ok"
                                                     : "silent";
    ++states[state];
    running += motherboard->running();
    syncs += fate.synced;
    if (fate.synced != 0) synced_ms.push_back(fate.synced_ms);
    if (fate.loaded != 0) settled_ms.push_back(fate.settled_ms);
    json::object row{{"id", motherboard->id()},
                     {"state", state},
                     {"running", motherboard->running()},
                     {"loaded", fate.loaded}};
    if (fate.last_refusal != Errc{}) row["refusal"] = name(fate.last_refusal);
    devices.push_back(std::move(row));
  }
  json::object by_state;
  for (const auto& [state, count] : states) by_state[state] = count;
  return {{"settled", settled},
          {"elapsed_ms", elapsed_ms},
          {"states", std::move(by_state)},
          {"running", running},
          {"syncs", syncs},
          {"synced_ms", percentiles(synced_ms)},
          {"settled_ms", percentiles(settled_ms)},
          {"devices", std::move(devices)}};
}

void run(Fleet& fleet, const Options& options) {
  const std::uint32_t from = SystemClock().now_ms();
  const bool settled = fleet.run_until_settled(options.timeout_ms);
  std::cout << json::serialize(result_of(fleet, settled, SystemClock().now_ms() - from))
            << std::endl;
}

void must(const Result<void>& done) {
  if (!done)
    throw std::runtime_error("an agent does not start: " + std::string(name(done.error())));
}

int serve(const Options& options) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  std::vector<Buffer> boards;
  for (const std::string& path : options.boards) boards.push_back(read(path));
  Fleet fleet(read(options.identity), std::move(boards), device_abi(options.abi));
  must(fleet.add(options.devices));
  run(fleet, options);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb;
    std::size_t count = 0;
    words >> verb >> count;
    if (verb == "boot")
      must(fleet.boot_all());
    else if (verb == "add")
      must(fleet.add(count));
    else
      throw std::runtime_error("unknown command " + line);
    run(fleet, options);
  }
  return 0;
}

}  // namespace
}  // namespace mpyd::test

int main(int argc, char** argv) {
  try {
    return mpyd::test::serve(mpyd::test::parse(argc, argv));
  } catch (const std::exception& error) {
    std::cerr << "mpyd-fleet: " << error.what() << "\n";
    return 1;
  }
}

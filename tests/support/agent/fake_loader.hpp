// A DriverLoader that runs nothing: it pulls packages to their end as MicroPython would, counts,
// and keeps the books of who is attached to what.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "device-agent/core/ports.hpp"
#include "tests/support/bytes.hpp"

namespace mpyd::test {

class FakeLoader final : public agent::DriverLoader {
 public:
  struct Loaded {
    Digest digest;
    std::string name;
    Buffer plain;
    std::set<unsigned> slots;
  };

  std::set<std::string, std::less<>> builtin_modules = {"machine", "time"};
  // What the next calls return; cleared by the call that returned it.
  Errc next_load_error{};
  Errc next_attach_error{};
  Room free{.free = 1 << 20, .largest_block = 1 << 20};
  // Called when load() is entered: the moment between the passes.
  std::function<void()> on_enter;
  // Called when attach() is entered; may throw what a crash is to a motherboard.
  std::function<void(const Digest& digest, unsigned slot)> on_attach;

  std::size_t entered = 0;      // calls of load()
  std::size_t plain_bytes = 0;  // that ever arrived
  std::size_t attached = 0;     // calls of attach() that succeeded
  std::size_t detached = 0;
  std::size_t unloaded = 0;
  Result<void> last_read{};  // how the last load's reader ended

  const std::map<Module, Loaded>& modules() const { return modules_; }
  bool runs(unsigned slot, const Digest& digest) const {
    for (const auto& [id, module] : modules_)
      if (module.digest == digest && module.slots.contains(slot)) return true;
    return false;
  }
  // What a reset leaves behind: nothing.
  void reset() { modules_.clear(); }

  bool has_builtin_module(std::string_view name) override { return builtin_modules.contains(name); }

  Room room(bool) override { return free; }
  bool has_room(bool, std::uint32_t bytes) override { return free.free >= bytes; }

  Result<Module> load(const Request& request, PackageReader& package) override {
    ++entered;
    if (on_enter) on_enter();
    Loaded loaded{request.digest, std::string(request.name), {}, {}};
    while (true) {
      const auto chunk = package.next();
      last_read = chunk ? Result<void>{} : fail(chunk.error());
      if (!chunk) return fail(chunk.error());
      if (chunk->empty()) break;
      plain_bytes += chunk->size();
      loaded.plain.insert(loaded.plain.end(), chunk->begin(), chunk->end());
    }
    if (next_load_error != Errc{}) return fail(std::exchange(next_load_error, Errc{}));
    if (loaded.plain.size() != request.plain_bytes) throw std::logic_error("load: wrong size");
    Module id = 0;
    while (modules_.contains(id)) ++id;
    modules_[id] = std::move(loaded);
    return id;
  }

  Result<void> attach(Module module, unsigned slot) override {
    Loaded& loaded = modules_.at(module);
    if (on_attach) on_attach(loaded.digest, slot);
    if (next_attach_error != Errc{}) return fail(std::exchange(next_attach_error, Errc{}));
    for (const auto& [id, other] : modules_)
      if (other.slots.contains(slot)) throw std::logic_error("attach: the slot has a driver");
    ++attached;
    loaded.slots.insert(slot);
    return {};
  }

  void detach(Module module, unsigned slot) override {
    ++detached;
    if (modules_.at(module).slots.erase(slot) != 1) throw std::logic_error("detach twice");
  }

  void unload(Module module) override {
    ++unloaded;
    if (!modules_.at(module).slots.empty()) throw std::logic_error("unload: still in use");
    modules_.erase(module);
  }

 private:
  std::map<Module, Loaded> modules_;
};

}  // namespace mpyd::test

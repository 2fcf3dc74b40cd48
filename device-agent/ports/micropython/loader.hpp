// DriverLoader on MicroPython: pass 2 goes straight into mp_raw_code_load.
#pragma once

#include "device-agent/ports/micropython/driver_module.h"
#include "device-agent/ports/micropython/ports.hpp"

namespace mpyd::agent {

// What the loader remembers of one slot.
struct AttachedDriver {
  mp_obj_t object = MP_OBJ_NULL;  // what attach() returned
  mp_obj_t handle = MP_OBJ_NULL;  // what the application has of it
};

class ModuleLoader final : public DriverLoader {
 public:
  // `modules` and `attached` have one place per slot and lie on the GC heap: they keep the code
  // alive.
  ModuleLoader(mpyd_hosts_t& hosts, std::span<mpyd_code_t*> modules,
               std::span<AttachedDriver> attached)
      : caller_(hosts), modules_(modules), attached_(attached) {}

  bool has_builtin_module(std::string_view name) override;
  Room room(bool is_native) override;
  bool has_room(bool is_native, std::uint32_t bytes) override;
  Result<Module> load(const Request& request, PackageReader& package) override;
  Result<void> attach(Module module, unsigned slot) override;
  void detach(Module module, unsigned slot) override;
  void unload(Module module) override;

 private:
  Result<void> load_and_run(const Request& request, PackageReader& package, mpyd_code_t*& code);
  bool is_gone(mp_obj_t exception);
  void let_go(Module module, unsigned slot);
  void report(unsigned slot, std::string_view where, mp_obj_t exception);

  Caller caller_;
  std::span<mpyd_code_t*> modules_;
  std::span<AttachedDriver> attached_;
};

}  // namespace mpyd::agent

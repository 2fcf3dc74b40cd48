#include "device-agent/ports/micropython/loader.hpp"

#include <algorithm>

extern "C" {
#include "py/mperrno.h"
}

namespace mpyd::agent {
namespace {

// PackageReader as driver_module.h wants it, and the reason when it ends early.
struct Stream {
  PackageReader* package;
  Errc error{};

  static bool next(void* self, const std::uint8_t** data, std::size_t* length) {
    Stream& stream = *static_cast<Stream*>(self);
    const Result<Bytes> chunk = stream.package->next();
    if (!chunk) {
      stream.error = chunk.error();
      return false;
    }
    *data = u8(*chunk);
    *length = chunk->size();
    return true;
  }
};

Result<void> result_of(mpyd_outcome_t outcome, Errc stream_error) {
  switch (outcome) {
    case MPYD_MODULE_OK:
      return {};
    case MPYD_MODULE_STREAM:
      return fail(stream_error);
    case MPYD_MODULE_MEMORY:
      return fail(Errc::memory);
    case MPYD_MODULE_REFUSED:
      return fail(Errc::load_error);
    case MPYD_MODULE_RAISED:
      break;
  }
  return fail(Errc::driver_error);
}

constexpr unsigned kNoSlot = Event::kNoSlot;

}  // namespace

bool ModuleLoader::has_builtin_module(std::string_view name) {
  return mpyd_has_builtin_module(name.data(), name.size());
}

DriverLoader::Room ModuleLoader::room(bool is_native) {
  std::size_t free = 0;
  std::size_t largest_block = 0;
  mpyd_code_room(is_native, &free, &largest_block);
  const auto bounded = [](std::size_t bytes) {
    return static_cast<std::uint32_t>(std::min<std::size_t>(bytes, 0xffffffff));
  };
  return {bounded(free), bounded(largest_block)};
}

bool ModuleLoader::has_room(bool is_native, std::uint32_t bytes) {
  return mpyd_code_has_room(is_native, bytes);
}

bool ModuleLoader::is_gone(mp_obj_t exception) {
  const int outcome = mpyd_sort_exception(&caller_.hosts(), exception);
  return outcome == MP_ENODEV || outcome == MP_EIO;
}

void ModuleLoader::report(unsigned slot, std::string_view where, mp_obj_t exception) {
  if (exception == MP_OBJ_NULL) return;
  const mpyd_arg_t args[] = {Caller::number(slot), Caller::text(where), Caller::object(exception)};
  caller_.call(MPYD_HOST_RAISED, args);
}

Result<void> ModuleLoader::load_and_run(const Request& request, PackageReader& package,
                                        mpyd_code_t*& code) {
  Stream stream{&package};
  mp_obj_t body = MP_OBJ_NULL;
  mp_obj_t exception = MP_OBJ_NULL;
  const mpyd_outcome_t loaded =
      mpyd_module_load(&caller_.hosts(), request.name.data(), request.name.size(),
                       {Stream::next, &stream}, &code, &body, &exception);
  if (loaded == MPYD_MODULE_REFUSED) report(kNoSlot, "load", exception);
  MPYD_TRY(result_of(loaded, stream.error));

  const mpyd_outcome_t ran = mpyd_module_run(&caller_.hosts(), code, body, &exception);
  report(kNoSlot, "load", exception);
  return result_of(ran, Errc::internal);
}

Result<DriverLoader::Module> ModuleLoader::load(const Request& request, PackageReader& package) {
  std::size_t place = 0;
  while (place < modules_.size() && modules_[place] != nullptr) ++place;
  if (place == modules_.size()) return fail(Errc::limit);

  if (auto loaded = load_and_run(request, package, modules_[place]); !loaded) {
    unload(static_cast<Module>(place));
    return fail(loaded.error());
  }
  return static_cast<Module>(place);
}

Result<void> ModuleLoader::attach(Module module, unsigned slot) {
  mp_obj_t board = MP_OBJ_NULL;
  const mpyd_arg_t which[] = {Caller::number(slot)};
  const mpyd_result_t wanted{nullptr, nullptr, nullptr, &board};
  if (caller_.call(MPYD_HOST_MAKE_BOARD, which, &wanted) != MPYD_CALL_OK) return fail(Errc::memory);

  AttachedDriver& driver = attached_[slot];
  mp_obj_t exception = MP_OBJ_NULL;
  const mpyd_outcome_t outcome = mpyd_module_attach(&caller_.hosts(), modules_[module], board,
                                                    &driver.object, &driver.handle, &exception);
  if (outcome != MPYD_MODULE_OK) {
    driver = {};
    report(slot, "attach", exception);
    caller_.call_surely(MPYD_HOST_DETACHED, which);
    return result_of(outcome, Errc::internal);
  }
  const mpyd_arg_t attached[] = {Caller::number(slot), Caller::object(driver.handle)};
  if (caller_.call_surely(MPYD_HOST_ATTACHED, attached) != MPYD_CALL_OK) {
    // A driver that the application never hears of is of no use.
    let_go(module, slot);
    return fail(Errc::memory);
  }
  return {};
}

void ModuleLoader::detach(Module module, unsigned slot) {
  if (attached_[slot].handle != MP_OBJ_NULL) let_go(module, slot);
}

void ModuleLoader::let_go(Module module, unsigned slot) {
  AttachedDriver& driver = attached_[slot];
  mpyd_handle_close(driver.handle);
  mp_obj_t exception = MP_OBJ_NULL;
  const mpyd_outcome_t outcome =
      mpyd_module_detach(&caller_.hosts(), modules_[module], driver.object, &exception);
  driver = {};
  // A driver that finds its hardware gone has nothing to apologise for.
  if (outcome != MPYD_MODULE_OK && !is_gone(exception)) report(slot, "detach", exception);
  const mpyd_arg_t which[] = {Caller::number(slot)};
  caller_.call_surely(MPYD_HOST_DETACHED, which);
}

void ModuleLoader::unload(Module module) {
  modules_[module] = nullptr;
  mpyd_collect();
}

}  // namespace mpyd::agent

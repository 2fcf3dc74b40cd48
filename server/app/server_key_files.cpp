#include "server/app/server_key_files.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <filesystem>

#include "server/app/data_dir.hpp"
#include "server/util/file.hpp"

namespace mpyd::server {
namespace {

namespace fs = std::filesystem;

constexpr int kOldKeysMax = 100;

// A second name for the current key, before the next one takes the first. After a crash in between
// it is there already.
Result<std::string> keep_aside(const std::string& current) {
  for (int number = 1; number <= kOldKeysMax; ++number) {
    std::string old = current + ".old" + (number == 1 ? "" : "." + std::to_string(number));
    if (::link(current.c_str(), old.c_str()) == 0) return old;
    const Error error = errno_error("cannot keep " + current + " as", old);
    std::error_code ec;
    if (fs::equivalent(current, old, ec)) return old;
    if (error.code != Errc::conflict) return fail(error);
  }
  return fail(Errc::limit, "there are " + std::to_string(kOldKeysMax) + " keys " + current +
                               ".old*; destroy those that nothing is sealed to");
}

}  // namespace

bool is_unfinished_name(std::string_view name, std::string_view base) {
  constexpr std::size_t kSuffix = 7;  // a dot and what mkostemp() put for XXXXXX
  return name.size() == base.size() + kSuffix && name.starts_with(base) &&
         name[base.size()] == '.' && std::ranges::all_of(name.substr(base.size() + 1), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
         });
}

void remove_unfinished_files(const std::string& data_dir) {
  constexpr std::array<std::string_view, 4> kBases = {"server.key.next", "server.key.next.pub",
                                                      "server.key.pub", "serve.json"};
  std::error_code ec;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(data_dir, ec)) {
    std::error_code ignored;
    if (entry.symlink_status(ignored).type() != fs::file_type::regular) continue;
    const std::string name = entry.path().filename().string();
    const bool is_unused = std::ranges::any_of(
        kBases, [&](std::string_view base) { return is_unfinished_name(name, base); });
    // A person may have called a copy "server.key.backup": only another name of the very file goes.
    const bool is_second_name = is_unfinished_name(name, "server.key") &&
                                fs::equivalent(entry.path(), server_key_path(data_dir), ignored);
    if (is_unused || is_second_name) found.push_back(entry.path());
  }
  for (const fs::path& path : found)
    if (fs::remove(path, ec))
      spdlog::info("removed {}, left by an unfinished write", path.string());
}

Result<std::optional<ExchangeKeyPair>> DataDirKeyFiles::load_next() const {
  auto key = load_exchange_key(next_server_key_path(data_dir_));
  if (key) return std::optional(*std::move(key));
  if (key.error().code == Errc::not_found) return std::optional<ExchangeKeyPair>();
  return fail(std::move(key).error());
}

Result<void> DataDirKeyFiles::save_next(const ExchangeKeyPair& key) {
  const std::string path = next_server_key_path(data_dir_);
  // What a crash left of an earlier adopt_next() or save_next(): a public half without its secret.
  if (::access(path.c_str(), F_OK) != 0) ::unlink((path + ".pub").c_str());
  return save_key_file(path, key);
}

Result<void> DataDirKeyFiles::adopt_next(bool keeps_current) {
  const std::string next = next_server_key_path(data_dir_);
  const std::string current = server_key_path(data_dir_);
  if (keeps_current) {
    MPYD_TRY_ASSIGN(const std::string old, keep_aside(current));
    spdlog::warn(
        "packages whose keys did not open are sealed to the replaced server key still: it is kept "
        "as {}",
        old);
  }
  MPYD_TRY(rename_file(next, current));
  // For people only; without it the key is as good.
  const auto renamed = rename_file(next + ".pub", current + ".pub");
  if (!renamed && renamed.error().code != Errc::not_found) return fail(renamed.error());
  return {};
}

}  // namespace mpyd::server

#include "server/cli/driver_folder.hpp"

#include <algorithm>
#include <filesystem>

namespace mpyd::server::cli {
namespace {

namespace fs = std::filesystem;

Unexpected<Failure> cannot_read(const fs::path& path, const std::error_code& error) {
  return failure(Errc::io, "cannot read " + path.string() + ": " + error.message());
}

// The names in a folder, without hidden ones, sorted.
Outcome<std::vector<fs::path>> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> out;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error))
    if (!at->path().filename().string().starts_with('.')) out.push_back(at->path());
  if (error) return cannot_read(folder, error);
  std::sort(out.begin(), out.end());
  return out;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// The one .mpy of an arch.
Outcome<std::string> single_mpy(const fs::path& folder) {
  MPYD_TRY_ASSIGN(const std::vector<fs::path> entries, entries_of(folder));
  std::vector<fs::path> found;
  for (const fs::path& path : entries)
    if (path.extension() == ".mpy") found.push_back(path);
  if (found.empty()) return failure(Errc::not_found, "there is no .mpy in " + folder.string());
  if (found.size() > 1)
    return failure(Errc::invalid_argument,
                   folder.string() + " holds several .mpy files, a release has one per arch",
                   "name the files instead of the folder");
  return found.front().string();
}

}  // namespace

Outcome<std::vector<FolderVariant>> find_variants(const std::string& folder) {
  const fs::path native = fs::path(folder) / "native";
  MPYD_TRY_ASSIGN(const std::vector<fs::path> entries,
                  entries_of(is_folder(native) ? native : fs::path(folder)));
  std::vector<FolderVariant> out;
  fs::path stranger;
  for (const fs::path& path : entries) {
    if (!is_folder(path)) continue;
    const auto arch = parse_arch(path.filename().string());
    if (!arch) {
      stranger = path;
      continue;
    }
    MPYD_TRY_ASSIGN(std::string mpy, single_mpy(path));
    out.push_back({std::move(mpy), *arch});
  }
  if (out.empty())
    return failure(Errc::not_found, "there are no variants in " + folder,
                   "it should hold <arch>/NAME.mpy or native/<arch>/NAME.mpy; deploy/driver "
                   "build makes them");
  if (!stranger.empty())
    return failure(Errc::invalid_argument, stranger.string() + " is called like no architecture");
  std::sort(out.begin(), out.end(),
            [](const FolderVariant& a, const FolderVariant& b) { return a.arch < b.arch; });
  for (const FolderVariant& variant : out)
    if (fs::path(variant.path).filename() != fs::path(out.front().path).filename())
      return failure(Errc::invalid_argument, variant.path + " and " + out.front().path +
                                                 " are of two drivers; a release has one");
  return out;
}

}  // namespace mpyd::server::cli

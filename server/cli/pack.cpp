// mpyd pack: builds and signs packages without a network.
#include <boost/json/array.hpp>
#include <filesystem>

#include "server/cli/commands.hpp"
#include "server/cli/driver_files.hpp"
#include "server/cli/package_text.hpp"
#include "server/cli/trust_view.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

// The keys the packages are sealed to: the one the root certifies, and those of --seal-to. Without
// a root no server can look into them. Public packages need none.
Outcome<std::vector<ExchangeKey>> recipients_of(const DriverOptions& options) {
  if (options.root_file.empty() && !options.is_public && options.seal_to.empty())
    return failure(Errc::invalid_argument, "--root is needed: it names the server's key",
                   "or seal to a fleet alone with --seal-to, or pack in clear with --public");
  if (options.root_file.empty() || options.is_public) return read_recipients(options, nullptr);
  MPYD_TRY_ASSIGN(const ByteVector pinned, load_root(options.root_file));
  MPYD_TRY_ASSIGN(const trust::Root root, walk_roots({&pinned, 1}));
  return read_recipients(options, &root.server_key);
}

}  // namespace

Outcome<void> run_pack(const PackOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const DriverFiles files, read_driver_files(options.driver.files));
  if (!files.mpkgs.empty())
    return failure(Errc::invalid_argument, files.mpkgs.front().path + " is packed already");
  if (options.driver.release == 0)
    return failure(Errc::invalid_argument, "--release is needed: nobody is asked for the next one");
  MPYD_TRY_ASSIGN(const Manifest shared, shared_manifest(options.driver));
  MPYD_TRY_ASSIGN(const std::vector<ExchangeKey> recipients, recipients_of(options.driver));
  MPYD_TRY_ASSIGN(const std::vector<SigningKeyPair> keys, load_publisher_keys(options.driver));

  std::error_code ec;
  std::filesystem::create_directories(options.out_dir, ec);
  if (ec)
    return failure(Errc::io, "cannot make the folder " + options.out_dir + ": " + ec.message());
  warn_of_floats(files, out);
  boost::json::array packages;
  std::string text;
  for (const MpyFile& file : files.mpys) {
    MPYD_TRY_ASSIGN(const MpkgFile package,
                    build_variant(shared, file, keys, recipients, options.driver.is_public));
    const std::string path = options.out_dir + "/" + mpkg_file_name(package.manifest);
    MPYD_TRY(create_file(path, package.bytes, 0644));
    const std::string digest(format_digest(package.digest).view());
    const std::string plain(format_digest(file.plain_digest).view());
    const std::string abi(format_abi(file.abi).view());
    packages.push_back(boost::json::object{{"file", path},
                                           {"abi", abi},
                                           {"digest", digest},
                                           {"plain_sha256", plain},
                                           {"bytes", package.bytes.size()}});
    text += path + "  " + digest + "\n";
    out.say(file.path + " (SHA-256 " + plain + ", " + abi + ") -> " + path);
  }
  out.result({{"packages", std::move(packages)}}, text);
  return {};
}

}  // namespace mpyd::server::cli

// mpyd serve: the daemon; server/app is the whole of it.
#include "server/cli/commands.hpp"

namespace mpyd::server::cli {

Outcome<void> run_serve(const ServeConfig& config, const Output&) {
  MPYD_TRY(serve(config));
  return {};
}

}  // namespace mpyd::server::cli

#include "server/services/health_service.hpp"

namespace mpyd::server {

Result<void> HealthService::ready() const {
  MPYD_TRY(store_.get([](const Snapshot& s) { return s.tokens().find(Digest{}); }));
  return {};
}

}  // namespace mpyd::server

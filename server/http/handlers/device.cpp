#include "server/http/handlers/fields.hpp"
#include "server/http/handlers/handlers.hpp"

namespace mpyd::server::http::handlers {
namespace {

// Documents that prove themselves; nothing in them is a secret.
Response document(const ByteVector& bytes, const char* caching) {
  return {.content_type = "application/x-protobuf",
          .headers = {{"Cache-Control", caching}},
          .body = bytes};
}

}  // namespace

Result<Response> sync(const DeviceApi& api, Request& request) {
  auto handled = api.sync.handle(request.bytes());
  if (!handled) {
    api.metrics.add_failed_sync();
    return fail(handled.error());
  }
  SyncResult result = *std::move(handled);
  api.metrics.add_sync(result.status);
  request.actor = "device:" + result.device_id;
  return Response{.content_type = "application/octet-stream",
                  .headers = {{"Cache-Control", "no-store"}},
                  .body = std::move(result.answer)};
}

Result<Response> get_root(const DeviceApi& api, Request& request) {
  const auto view = api.trust.view();
  MPYD_TRY_ASSIGN(const std::uint64_t version,
                  read_number("the root's version", request.params[0], 0xffffffff));
  if (version == 0 || version > view->roots().size())
    return fail(Errc::not_found,
                "the newest root is version " + std::to_string(view->roots().size()));
  return document(view->roots()[version - 1], "public, max-age=31536000, immutable");
}

Result<Response> get_targets(const DeviceApi& api, Request&) {
  const auto view = api.trust.view();
  if (view->head_document().empty()) return fail(Errc::not_found, "there is no targets head yet");
  return document(view->head_document(), "no-cache");
}

}  // namespace mpyd::server::http::handlers

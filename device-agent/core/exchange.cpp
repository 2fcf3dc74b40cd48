#include "device-agent/core/exchange.hpp"

namespace mpyd::agent {

Result<void> Exchange::start(const Request& request, std::uint32_t now_ms) {
  MPYD_TRY_ASSIGN(head_, format_http_request(request.path, request.host, request.body.size()));
  head_sent_ = 0;
  body_ = request.body;
  response_ = HttpResponse(request.answer_bytes_max);
  started_ms_ = progress_ms_ = now_ms;
  stall_timeout_ms_ = request.stall_timeout_ms;
  total_timeout_ms_ = request.total_timeout_ms;
  return transport_->open(request.host, request.port);
}

Result<Bytes> Exchange::step(MutableBytes buffer, std::uint32_t now_ms) {
  auto body = advance(buffer, now_ms);
  if (!body) close();
  return body;
}

Result<Bytes> Exchange::advance(MutableBytes buffer, std::uint32_t now_ms) {
  if (now_ms - progress_ms_ > stall_timeout_ms_ || now_ms - started_ms_ > total_timeout_ms_)
    return fail(Errc::timeout);
  if (!sent()) {
    MPYD_TRY_ASSIGN(const std::size_t taken, send_some());
    if (taken > 0) progress_ms_ = now_ms;
    return Bytes{};
  }
  MPYD_TRY_ASSIGN(const std::size_t received, transport_->receive(buffer));
  if (received == 0) return Bytes{};
  progress_ms_ = now_ms;
  return response_.feed(buffer.first(received));
}

Result<std::size_t> Exchange::send_some() {
  if (head_sent_ < head_.size()) {
    MPYD_TRY_ASSIGN(const std::size_t taken,
                    transport_->send(as_bytes(part_of(head_.view(), head_sent_))));
    head_sent_ += taken;
    return taken;
  }
  MPYD_TRY_ASSIGN(const std::size_t taken, transport_->send(body_));
  body_ = body_.subspan(taken);
  return taken;
}

void Exchange::close() { transport_->close(); }

}  // namespace mpyd::agent

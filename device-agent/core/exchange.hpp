// One HTTP exchange over a Transport, in steps that never wait.
#pragma once

#include "device-agent/core/http.hpp"
#include "device-agent/core/ports.hpp"

namespace mpyd::agent {

class Exchange {
 public:
  explicit Exchange(Transport& transport) : transport_(&transport) {}

  struct Request {
    std::string_view path;
    const char* host = "";
    std::uint16_t port = 0;
    Bytes body{};  // must stay where it is until sent(); empty: a GET
    std::uint32_t answer_bytes_max = 0;
    std::uint32_t stall_timeout_ms = 0;  // without any progress
    std::uint32_t total_timeout_ms = 0;
  };
  // Errors: limit, unreachable.
  Result<void> start(const Request& request, std::uint32_t now_ms);

  // Sends or receives what goes without waiting. Returns body bytes, a view into `buffer`; empty
  // when none came. Errors: unreachable, timeout, malformed, limit; the connection is closed then.
  Result<Bytes> step(MutableBytes buffer, std::uint32_t now_ms);

  bool sent() const { return head_sent_ == head_.size() && body_.empty(); }
  bool has_head() const { return response_.has_head(); }
  bool complete() const { return response_.complete(); }
  unsigned status() const { return response_.status(); }
  std::uint32_t content_length() const { return response_.content_length(); }
  void close();

 private:
  Result<Bytes> advance(MutableBytes buffer, std::uint32_t now_ms);
  Result<std::size_t> send_some();

  Transport* transport_;
  HttpRequestHead head_;
  std::size_t head_sent_ = 0;
  Bytes body_;
  HttpResponse response_;
  std::uint32_t started_ms_ = 0;
  std::uint32_t progress_ms_ = 0;
  std::uint32_t stall_timeout_ms_ = 0;
  std::uint32_t total_timeout_ms_ = 0;
};

}  // namespace mpyd::agent

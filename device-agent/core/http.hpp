// The little HTTP/1.1 the agent speaks: one request, one answer with Content-Length, no more.
#pragma once

#include "protocol/bytes.hpp"
#include "protocol/inline_buffer.hpp"

namespace mpyd::agent {

// Request line and headers. Every request closes its connection.
using HttpRequestHead = InlineText<320>;
// `body_bytes` 0: a GET. Errors: limit (host or path too long).
Result<HttpRequestHead> format_http_request(std::string_view path, std::string_view host,
                                            std::size_t body_bytes);

// Parses an answer as it arrives, in constant memory.
class HttpResponse {
 public:
  // Bodies above `body_bytes_max` are refused by their header, before they arrive.
  explicit HttpResponse(std::uint32_t body_bytes_max = 0) : body_bytes_max_(body_bytes_max) {}

  // Takes what arrived, returns the part that is body. Errors: malformed (not HTTP, no
  // Content-Length, or a transfer encoding we did not ask for), limit.
  Result<Bytes> feed(Bytes bytes);

  bool has_head() const { return head_done_; }
  bool complete() const { return head_done_ && received_ == content_length_; }
  unsigned status() const { return status_; }
  std::uint32_t content_length() const { return content_length_; }

 private:
  Result<void> finish_line();

  static constexpr std::uint32_t kHeadBytesMax = 4096;
  InlineText<128> line_;  // longer lines are no header we need; their rest is dropped
  std::uint32_t head_bytes_ = 0;
  std::uint32_t body_bytes_max_;
  std::uint32_t content_length_ = 0;
  std::uint32_t received_ = 0;
  unsigned status_ = 0;
  bool has_length_ = false;
  bool head_done_ = false;
};

}  // namespace mpyd::agent

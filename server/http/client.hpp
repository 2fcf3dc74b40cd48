// A small HTTP(S) client for the command line: one request per connection, everything bounded.
// It follows no redirect, and over https it verifies the certificate and its host name.
#pragma once

#include <string>

#include "server/util/bytes.hpp"
#include "server/util/error.hpp"

namespace mpyd::server::http {

// Of an answer that grows with what there is, such as a page of a list.
inline constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 20;

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";  // path and query, percent-encoded
  std::string content_type;  // of the body; empty: no body
  Bytes body;
  std::string bearer_token;  // secret; empty: none
  std::string idempotency_key;
  std::size_t answer_bytes_max = kAnswerBytesMax;
};

struct ClientAnswer {
  unsigned status = 0;
  std::string content_type;
  std::string date;  // as the server has it; empty: it does not say
  std::string link;  // empty: none
  std::string request_id;
  ByteVector body;
};

struct ClientOptions {
  std::string ca_file;  // PEM; empty: the system's certificates
  unsigned connect_timeout_ms = 10'000;
  unsigned answer_timeout_ms = 60'000;  // request sent and answer read to its end
};

class Client {
 public:
  // `url` is scheme://host[:port], http or https; anything more is refused.
  // Errors: invalid_argument.
  static Result<Client> make(const std::string& url, ClientOptions options = {});

  // One round trip; an answer of any status is a success.
  // Errors: unreachable, timeout, limit (the answer is too large), forbidden (a token would travel
  // in clear beyond this machine), invalid_argument (a certificate file cannot be read).
  Result<ClientAnswer> send(const ClientRequest& request) const;

  // As given to make().
  const std::string& url() const { return url_; }

 private:
  Client() = default;

  std::string url_;
  std::string host_;  // without the brackets of an IPv6 address
  std::string port_;
  bool tls_ = false;
  ClientOptions options_;
};

}  // namespace mpyd::server::http

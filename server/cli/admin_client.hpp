// The admin API as commands use it: JSON in and out, problems turned into failures.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "server/cli/outcome.hpp"
#include "server/http/client.hpp"

namespace mpyd::server::cli {

// Options every command shares that talks to a server.
struct ServerOptions {
  std::string server = "http://127.0.0.1:8781";  // --server, MPYD_SERVER
  std::string token_file;  // --token-file, MPYD_TOKEN_FILE; otherwise MPYD_TOKEN
  std::string ca_file;     // --ca-file, MPYD_CA_FILE
};

class AdminClient {
 public:
  // Errors: invalid_argument, unauthorised (no token), not_found or io (token file), forbidden (a
  // token file that others may read).
  static Outcome<AdminClient> open(const ServerOptions& options,
                                   unsigned answer_timeout_ms = 60'000);

  // The methods below return the answer's JSON object (empty for 204). Errors: those of
  // Client::send, and the problem's code; its detail and hint become the message and the hint.
  Outcome<boost::json::object> get(const std::string& target) const;
  Outcome<boost::json::object> post(const std::string& target,
                                    const boost::json::object& body) const;
  Outcome<boost::json::object> put(const std::string& target,
                                   const boost::json::object& body) const;
  Outcome<boost::json::object> remove(const std::string& target) const;
  Outcome<boost::json::object> post_bytes(const std::string& target,
                                          const std::string& content_type, Bytes body) const;

  const std::string& url() const { return client_.url(); }

 private:
  explicit AdminClient(http::Client client, std::string token)
      : client_(std::move(client)), token_(std::move(token)) {}
  Outcome<boost::json::object> send(http::ClientRequest request) const;
  Outcome<boost::json::object> send_json(const char* method, const std::string& target,
                                         const boost::json::object& body) const;

  http::Client client_;
  std::string token_;  // secret
};

// `?a=1&b=x%20y` of the pairs whose value is not empty; empty if none is.
std::string query_of(std::initializer_list<std::pair<const char*, std::string>> fields);
// One segment of a path, percent-encoded.
std::string path_segment(std::string_view text);

}  // namespace mpyd::server::cli

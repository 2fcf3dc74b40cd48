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

// The token that the options name: of their file, else MPYD_TOKEN. Errors: as AdminClient::open.
Outcome<std::string> read_token(const ServerOptions& options);

// Of a list that is gathered from its pages; whoever has more asks for less at once.
inline constexpr std::size_t kListedRowsMax = 1'000'000;
inline constexpr std::size_t kListedBytesMax = std::size_t{256} << 20;
// Of an answer about one thing: a token, a device, what was done.
inline constexpr std::size_t kObjectBytesMax = std::size_t{1} << 20;

class AdminClient {
 public:
  // Errors: invalid_argument, unauthorised (no token), not_found or io (token file), forbidden (a
  // token file that others may read).
  static Outcome<AdminClient> open(const ServerOptions& options,
                                   unsigned answer_timeout_ms = 60'000);
  // With this token, whatever the options say of one. Errors: invalid_argument.
  static Outcome<AdminClient> open_with(const ServerOptions& options, std::string token,
                                        unsigned answer_timeout_ms = 60'000);

  // The methods below return the answer's JSON object (empty for 204). Errors: those of
  // Client::send (limit: an answer is larger than `answer_bytes_max`, or than kObjectBytesMax where
  // there is no such parameter), and the problem's code; its detail and hint become the message and
  // the hint.
  Outcome<boost::json::object> get(const std::string& target,
                                   std::size_t answer_bytes_max = kObjectBytesMax) const;
  // A list, page by page, as one object: `rows` names its array. At most `rows_max` rows. Errors
  // also: limit (all pages are larger than kListedBytesMax).
  Outcome<boost::json::object> get_all(const std::string& target, std::string_view rows,
                                       std::size_t rows_max = kListedRowsMax) const;
  Outcome<boost::json::object> post(const std::string& target, const boost::json::object& body,
                                    std::size_t answer_bytes_max = kObjectBytesMax) const;
  Outcome<boost::json::object> put(const std::string& target,
                                   const boost::json::object& body) const;
  Outcome<boost::json::object> remove(const std::string& target) const;
  // With an Idempotency-Key: sent again, it is carried out once. The answer grows with the body.
  Outcome<boost::json::object> post_bytes(const std::string& target,
                                          const std::string& content_type, Bytes body,
                                          const std::string& idempotency_key) const;

  // What is no JSON, such as packages.
  Outcome<ByteVector> get_bytes(const std::string& target) const;

  const std::string& url() const { return client_.url(); }

 private:
  explicit AdminClient(http::Client client, std::string token)
      : client_(std::move(client)), token_(std::move(token)) {}
  struct Answer {
    boost::json::object object;
    std::string next;  // target of the next page; empty: this is the last
    std::size_t bytes = 0;
  };
  Outcome<Answer> ask(http::ClientRequest request) const;
  Outcome<boost::json::object> send(http::ClientRequest request) const;
  Outcome<boost::json::object> send_json(const char* method, const std::string& target,
                                         const boost::json::object& body,
                                         std::size_t answer_bytes_max) const;

  http::Client client_;
  std::string token_;  // secret
};

// Rows of one page when all are wanted.
inline constexpr const char* kListPage = "1000";

// `?a=1&b=x%20y` of the pairs whose value is not empty; empty if none is.
std::string query_of(std::initializer_list<std::pair<const char*, std::string>> fields);
// One segment of a path, percent-encoded.
std::string path_segment(std::string_view text);

}  // namespace mpyd::server::cli

// A server in memory: a Transport whose peer is a tiny HTTP/1.1 responder that really opens sync
// requests and seals answers, and that misbehaves on demand.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "device-agent/core/ports.hpp"
#include "mpyd/v1/device.pb.h"
#include "tests/support/packages.hpp"
#include "tests/support/trust_documents.hpp"

namespace mpyd::test {

// What goes over the wire as one answer, and how.
struct HttpAnswer {
  unsigned status = 200;
  Buffer body;
  std::string headers;                     // instead of a Content-Length that tells the truth
  std::optional<std::size_t> break_after;  // so many bytes of the whole answer
  bool stalls_then = false;                // at the end or at break_after: silence, not a close
  bool is_endless = false;                 // the body repeats for ever
  std::size_t piece = 1460;                // at most so many bytes per receive()
};

// What the server says about a hardware ID.
struct Decision {
  const BuiltPackage* package = nullptr;  // none: no driver
  Errc reason{};
  std::string message;
  std::vector<Digest> avoid;
};

class ScriptedServer final : public agent::Transport {
 public:
  ScriptedServer();

  // --- what it holds
  ExchangePair key = make_exchange_pair(50);
  std::vector<Signer> root_signers = {make_signer(1)};
  std::vector<Signer> targets_signers = {make_signer(2)};
  std::map<std::uint32_t, Buffer> roots;  // signed, by version
  Buffer head;                            // signed
  std::uint64_t unix_s = 1'800'000'000;
  std::map<std::string, Decision> decisions;  // by hardware ID
  std::map<std::string, Buffer> packages;     // by digest in hex

  v1::Root root_body;  // of the newest root
  v1::TargetsHead head_body;
  std::map<std::string, v1::PolicyEntry> entries;

  // Signs root_body as it stands with the given keys and serves it under its version.
  void publish_root(const std::vector<Signer>& signers);
  // Signs a head over the entries, with the next version.
  void publish_head();
  void offer(const BuiltPackage& package);
  void decide(const std::string& hardware_id, Decision decision);
  v1::EntryProof proof_of(const std::string& hardware_id) const;

  // --- how it behaves
  bool is_reachable = true;
  std::string only_at;     // "host:port" where it can be reached; empty: anywhere
  bool is_silent = false;  // accepts connections and never says a word
  bool says_key_retired = false;
  std::uint64_t last_counter = 0;  // a request not above is answered with COUNTER
  std::function<void(const std::string& path, HttpAnswer&)> spoil;
  std::function<void(const v1::SyncRequest&, v1::SyncAnswer&)> edit;
  // Replaces the sealed answer.
  std::function<Buffer(Bytes request, Buffer answer)> replace;

  // --- what it saw
  std::vector<std::string> paths;
  std::string last_address;            // "host:port" that was asked for
  std::vector<v1::SyncRequest> syncs;  // those it could open and accept
  Buffer last_request;
  Buffer last_answer;  // sealed
  std::size_t count(std::string_view path_prefix) const;
  std::size_t calls = 0;  // of send() and receive()
  std::size_t bytes = 0;  // both ways

  // Transport
  Result<void> open(const char* host, std::uint16_t port) override;
  Result<std::size_t> send(Bytes bytes) override;
  Result<std::size_t> receive(MutableBytes out) override;
  void close() override;
  bool is_open() const { return is_open_; }

 private:
  void answer_request();
  HttpAnswer respond(const std::string& path, Bytes body);
  Buffer answer_sync(Bytes request);
  void fill_answer(const v1::SyncRequest& request, v1::SyncAnswer& answer) const;
  void fill_slot(const v1::BoardReport& board, v1::SlotAnswer& slot) const;

  bool is_open_ = false;
  Buffer input_;
  Buffer output_;
  std::size_t sent_ = 0;
  HttpAnswer answer_;
};

}  // namespace mpyd::test

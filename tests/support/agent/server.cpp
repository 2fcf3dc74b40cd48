#include "tests/support/agent/server.hpp"

#include "protocol/package/key_block.hpp"
#include "protocol/sync/box.hpp"
#include "protocol/trust/merkle.hpp"

namespace mpyd::test {
namespace {

constexpr std::string_view kPackages = "/v1/packages/";
constexpr std::string_view kRoots = "/v1/device/root/";
constexpr std::size_t kSendPiece = 700;  // an IP stack takes what fits its window

std::string text(const Digest& digest) { return std::string(format_digest(digest).view()); }

}  // namespace

ScriptedServer::ScriptedServer() {
  root_body = example_root(root_signers, 1, targets_signers);
  root_body.set_server_key(text_of(key.key.bytes()));
  head_body = example_head();
  head_body.set_expires_unix_s(unix_s + 1'000'000);
  publish_root(root_signers);
}

void ScriptedServer::publish_root(const std::vector<Signer>& signers) {
  roots[root_body.version()] = signed_document(root_body, trust::kRootPrefix, signers);
}

void ScriptedServer::publish_head() {
  std::vector<Digest> leaves;
  for (const auto& [id, entry] : entries) leaves.push_back(trust::merkle_leaf(serialise(entry)));
  head_body.set_version(head_body.version() + 1);
  head_body.set_epoch(root_body.targets_epoch());
  head_body.set_merkle_root(text_of(trust::merkle_root(leaves).bytes()));
  head_body.set_entry_count(static_cast<std::uint32_t>(leaves.size()));
  head = signed_document(head_body, trust::kTargetsPrefix, targets_signers);
}

v1::EntryProof ScriptedServer::proof_of(const std::string& hardware_id) const {
  v1::EntryProof proof;
  std::vector<Digest> leaves;
  for (const auto& [id, entry] : entries) {
    const Buffer leaf = serialise(entry);
    if (id == hardware_id) {
      proof.set_entry(text_of(leaf));
      proof.set_index(static_cast<std::uint32_t>(leaves.size()));
    }
    leaves.push_back(trust::merkle_leaf(leaf));
  }
  for (const Digest& digest : trust::merkle_proof(leaves, proof.index()))
    proof.add_path(text_of(digest.bytes()));
  return proof;
}

void ScriptedServer::offer(const BuiltPackage& package) {
  packages[text(package.name())] = package.bytes;
}

void ScriptedServer::decide(const std::string& hardware_id, Decision decision) {
  if (decision.package != nullptr) offer(*decision.package);
  decisions[hardware_id] = std::move(decision);
}

std::size_t ScriptedServer::count(std::string_view path_prefix) const {
  std::size_t n = 0;
  for (const std::string& path : paths) n += path.starts_with(path_prefix);
  return n;
}

// --- the transport --------------------------------------------------------------------------

Result<void> ScriptedServer::open(const char* host, std::uint16_t port) {
  close();
  last_address = std::string(host) + ":" + std::to_string(port);
  if (!is_reachable || (!only_at.empty() && only_at != last_address))
    return fail(Errc::unreachable);
  is_open_ = true;
  return {};
}

void ScriptedServer::close() {
  is_open_ = false;
  input_.clear();
  output_.clear();
  sent_ = 0;
  answer_ = {};
}

Result<std::size_t> ScriptedServer::send(Bytes data) {
  ++calls;
  if (!is_open_) return fail(Errc::unreachable);
  const std::size_t taken = data.size() < kSendPiece ? data.size() : kSendPiece;
  input_.insert(input_.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(taken));
  bytes += taken;
  if (!is_silent) answer_request();
  return taken;
}

Result<std::size_t> ScriptedServer::receive(MutableBytes out) {
  ++calls;
  if (!is_open_) return fail(Errc::unreachable);
  if (output_.empty()) return std::size_t{0};
  const std::size_t end =
      answer_.break_after ? std::min(*answer_.break_after, output_.size()) : output_.size();
  if (sent_ >= end && answer_.is_endless) sent_ = end - answer_.body.size();
  if (sent_ >= end) {
    if (answer_.stalls_then) return std::size_t{0};
    return fail(Errc::unreachable);
  }
  const std::size_t taken = std::min({out.size(), answer_.piece, end - sent_});
  copy_bytes(Bytes(output_).subspan(sent_, taken), out);
  sent_ += taken;
  bytes += taken;
  return taken;
}

// Once a whole request is there.
void ScriptedServer::answer_request() {
  if (!output_.empty()) return;
  const std::string_view all = as_text(input_);
  const std::size_t head_end = all.find("\r\n\r\n");
  if (head_end == std::string_view::npos) return;
  const std::size_t length_at = all.find("Content-Length: ");
  const std::size_t length =
      length_at < head_end ? std::stoul(std::string(all.substr(length_at + 16, 9))) : 0;
  if (all.size() < head_end + 4 + length) return;
  const std::size_t path_at = all.find(' ') + 1;
  const std::string path(all.substr(path_at, all.find(' ', path_at) - path_at));
  paths.push_back(path);

  answer_ = respond(path, Bytes(input_).subspan(head_end + 4));
  if (spoil) spoil(path, answer_);
  std::string head_text = "HTTP/1.1 " + std::to_string(answer_.status) + " Whatever\r\n";
  head_text += answer_.headers.empty()
                   ? "Content-Length: " + std::to_string(answer_.body.size()) + "\r\n"
                   : answer_.headers;
  output_ = concat(as_bytes(head_text + "\r\n"), answer_.body);
}

HttpAnswer ScriptedServer::respond(const std::string& path, Bytes body) {
  HttpAnswer answer;
  answer.status = 404;
  if (path == "/v1/device/sync") return {.status = 200, .body = answer_sync(body)};
  if (path.starts_with(kPackages)) {
    const auto found = packages.find(path.substr(kPackages.size()));
    if (found != packages.end()) return {.status = 200, .body = found->second};
  }
  if (path.starts_with(kRoots)) {
    const auto found =
        roots.find(static_cast<std::uint32_t>(std::stoul(path.substr(kRoots.size()))));
    if (found != roots.end()) return {.status = 200, .body = found->second};
  }
  return answer;
}

// --- sync -----------------------------------------------------------------------------------

Buffer ScriptedServer::answer_sync(Bytes request_bytes) {
  last_request = copy(request_bytes);
  const auto prefix = sync::parse_request_prefix(last_request).value();
  if (says_key_retired || prefix.server_key_id != key_id(key.key.bytes()))
    return {std::byte{kFormat}, static_cast<std::byte>(sync::Kind::key_retired)};
  SharedKey shared;
  if (!crypto::box_key(key.secret, prefix.device_key, shared)) return {};
  Buffer opened = last_request;
  const Bytes message = sync::open_request(opened, prefix, shared).value();
  v1::SyncRequest request;
  if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) return {};

  v1::SyncAnswer answer;
  answer.set_request_nonce(text_of(prefix.nonce.bytes()));
  answer.set_request_digest(text_of(crypto::sha256(last_request).bytes()));
  answer.set_server_unix_s(unix_s);
  if (request.counter() <= last_counter) {
    answer.set_status(static_cast<std::uint32_t>(sync::Status::counter));
    answer.set_last_counter(last_counter);
  } else {
    last_counter = request.counter();
    syncs.push_back(request);
    fill_answer(request, answer);
  }
  if (edit) edit(request, answer);
  Buffer out(sync::kAnswerMessageOffset);
  const Buffer body = serialise(answer);
  out.insert(out.end(), body.begin(), body.end());
  out.resize(sync::seal_answer(out, body.size(), random_fixed<Nonce>(syncs.size() + paths.size()),
                               shared));
  if (replace) out = replace(last_request, out);
  last_answer = out;
  return out;
}

void ScriptedServer::fill_answer(const v1::SyncRequest& request, v1::SyncAnswer& answer) const {
  answer.set_root_version(root_body.version());
  if (request.head_version() != head_body.version() || request.targets_epoch() != head_body.epoch())
    answer.set_head(text_of(head));
  for (const v1::BoardReport& board : request.boards())
    if (board.wants_answer()) fill_slot(board, *answer.add_slots());
}

void ScriptedServer::fill_slot(const v1::BoardReport& board, v1::SlotAnswer& slot) const {
  slot.set_slot(board.slot());
  slot.set_hardware_id(board.hardware_id());
  slot.set_revision(board.revision());
  slot.set_eeprom_digest(board.eeprom_digest());
  if (entries.contains(board.hardware_id())) *slot.mutable_entry() = proof_of(board.hardware_id());
  const auto found = decisions.find(board.hardware_id());
  if (found == decisions.end()) {
    slot.set_reason(static_cast<std::uint32_t>(Errc::no_driver));
    return;
  }
  const Decision& decision = found->second;
  slot.set_message(decision.message);
  slot.set_reason(static_cast<std::uint32_t>(decision.reason));
  for (const Digest& digest : decision.avoid) slot.add_avoid_digests(text_of(digest.bytes()));
  if (decision.package == nullptr) return;
  slot.set_package_digest(text_of(decision.package->name().bytes()));
  slot.set_package_bytes(static_cast<std::uint32_t>(decision.package->bytes.size()));
  if (decision.package->manifest.encryption == Encryption::secretstream)
    slot.set_content_key(text_of(decision.package->content_key.bytes()));
}

}  // namespace mpyd::test

// Trust documents: nanopb reads them on devices, libprotobuf writes them; both must mean the same.
#include <optional>

#include "mpyd/v1/trust.pb.h"
#include "protocol/trust/documents.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace mpyd;

namespace {

// libprotobuf refuses more: text that is no UTF-8, and numbers without end in fields that nobody
// knows, which nanopb skips. What both take means the same.
template <class Message>
std::optional<Message> parse(Bytes bytes) {
  Message out;
  if (!out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  return out;
}

template <class Fixed>
bool same(const Fixed& ours, const std::string& theirs) {
  return same_bytes(ours.bytes(), as_bytes(theirs));
}

template <class List, class Repeated>
bool same_list(const List& ours, const Repeated& theirs) {
  if (ours.size() != static_cast<std::size_t>(theirs.size())) return false;
  for (std::size_t i = 0; i < ours.size(); ++i)
    if (!same(ours[i], theirs[static_cast<int>(i)])) return false;
  return true;
}

// nanopb ends a text at its first NUL, so it cannot tell whether more of them follow.
bool same_text(std::string_view ours, std::string_view theirs) {
  while (theirs.ends_with('\0')) theirs.remove_suffix(1);
  return ours == theirs;
}

void read_root(Bytes bytes) {
  const auto ours = trust::parse_root(bytes);
  if (!ours) return;
  const auto theirs = parse<v1::Root>(bytes);
  if (!theirs) return;
  FUZZ_CHECK(ours->version == theirs->version());
  FUZZ_CHECK(ours->targets_epoch == theirs->targets_epoch());
  FUZZ_CHECK(ours->expires_unix_s == theirs->expires_unix_s());
  FUZZ_CHECK(ours->root.threshold == theirs->root().threshold());
  FUZZ_CHECK(same_list(ours->root.keys, theirs->root().keys()));
  FUZZ_CHECK(same_list(ours->targets.keys, theirs->targets().keys()));
  FUZZ_CHECK(same(ours->server_key, theirs->server_key()));
}

void read_head(Bytes bytes) {
  const auto ours = trust::parse_head(bytes);
  if (!ours) return;
  const auto theirs = parse<v1::TargetsHead>(bytes);
  if (!theirs) return;
  FUZZ_CHECK(ours->epoch == theirs->epoch() && ours->version == theirs->version());
  FUZZ_CHECK(ours->expires_unix_s == theirs->expires_unix_s());
  FUZZ_CHECK(ours->entry_count == theirs->entry_count());
  FUZZ_CHECK(same(ours->merkle_root, theirs->merkle_root()));
  FUZZ_CHECK(same_list(ours->revoked_keys, theirs->revoked_keys()));
}

void read_entry(Bytes bytes) {
  const auto ours = trust::parse_entry(bytes);
  if (!ours) return;
  const auto theirs = parse<v1::PolicyEntry>(bytes);
  if (!theirs) return;
  FUZZ_CHECK(same_text(ours->hardware_id.view(), theirs->hardware_id()));
  FUZZ_CHECK(same_text(ours->driver_name.view(), theirs->driver_name()));
  FUZZ_CHECK(ours->threshold == theirs->threshold());
  FUZZ_CHECK(ours->floor_release == theirs->floor_release());
  FUZZ_CHECK(same_list(ours->publisher_keys, theirs->publisher_keys()));
  FUZZ_CHECK(same_list(ours->revoked_digests, theirs->revoked_digests()));
  FUZZ_CHECK(same_list(ours->approved_digests, theirs->approved_digests()));
  FUZZ_CHECK(same_list(ours->pinned_digests, theirs->pinned_digests()));
}

void read_signed(Bytes bytes) {
  const auto ours = trust::parse_signed(bytes);
  if (!ours) return;
  const auto theirs = parse<v1::SignedDocument>(bytes);
  if (!theirs) return;
  FUZZ_CHECK(same_bytes(ours->body, as_bytes(theirs->body())));
  FUZZ_CHECK(ours->signatures.size() == static_cast<std::size_t>(theirs->signatures_size()));
  for (std::size_t i = 0; i < ours->signatures.size(); ++i) {
    const auto& signature = theirs->signatures(static_cast<int>(i));
    FUZZ_CHECK(same(ours->signatures[i].key, signature.key()));
    FUZZ_CHECK(same(ours->signatures[i].signature, signature.signature()));
  }
}

void read_proof(Bytes bytes) {
  const auto ours = trust::parse_proof(bytes);
  if (!ours) return;
  const auto theirs = parse<v1::EntryProof>(bytes);
  if (!theirs) return;
  FUZZ_CHECK(same_bytes(ours->entry, as_bytes(theirs->entry())));
  FUZZ_CHECK(ours->index == theirs->index());
  FUZZ_CHECK(same_list(ours->path, theirs->path()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  constexpr void (*kReaders[])(Bytes) = {read_root, read_head, read_entry, read_signed, read_proof};
  kReaders[input.byte() % std::size(kReaders)](input.rest());
  return 0;
}

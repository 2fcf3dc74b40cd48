#include "server/services/rotation_service.hpp"

#include <boost/json.hpp>

#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

std::string hex(const ExchangeKey& key) { return to_hex(key.bytes()); }

}  // namespace

Result<void> RotationService::recover() {
  const ExchangeKey named = parts_.trust.view()->root().server_key;
  if (parts_.keys.current()->public_key == named) return {};
  MPYD_TRY_ASSIGN(auto next, parts_.files.load_next());
  if (!next || next->public_key != named)
    return fail(Errc::invalid_argument,
                "the newest root names the server key " + hex(named) +
                    ", and the data directory holds another; bring server.key back from the "
                    "backup that was made with this database");
  const ServerKeys::Key replaced = parts_.keys.current();
  MPYD_TRY_ASSIGN(const bool is_needed, parts_.store.get([&](const Snapshot& s) {
    return any_key_block_names(s.packages(), replaced->public_key);
  }));
  MPYD_TRY(parts_.files.adopt_next(is_needed));
  parts_.keys.replace(*std::move(next));
  return {};
}

Result<NextServerKey> RotationService::next_server_key(const std::string& actor) {
  const std::scoped_lock lock(mutex_);
  NextServerKey out;
  MPYD_TRY_ASSIGN(out.key_blocks, parts_.store.get([](const Snapshot& s) {
    return s.packages().count_key_blocks();
  }));
  MPYD_TRY_ASSIGN(const auto pending, parts_.files.load_next());
  if (pending) {
    out.public_key = pending->public_key;
    out.existed = true;
    return out;
  }
  const ExchangeKeyPair made = make_exchange_key();
  out.public_key = made.public_key;
  MPYD_TRY(parts_.files.save_next(made));
  MPYD_TRY(parts_.store.write([&](Transaction& tx) {
    return tx.audit().append(
        {parts_.clock.now_unix_s(), actor, "server-key-made", hex(made.public_key)});
  }));
  return out;
}

// Inside the root's transaction: all that is sealed to the old key is sealed to the new one.
Result<void> RotationService::change_key(Transaction& tx, const trust::Root& next,
                                         RotationReport& report) {
  const ServerKeys::Key current = parts_.keys.current();
  if (next.server_key == current->public_key) return {};
  MPYD_TRY_ASSIGN(auto pending, parts_.files.load_next());
  if (!pending || pending->public_key != next.server_key)
    return fail(Errc::invalid_argument,
                "root version " + std::to_string(next.version) + " names the server key " +
                    hex(next.server_key) + ", which this server does not have; it has " +
                    hex(current->public_key) +
                    (pending ? ", and " + hex(pending->public_key) : "") +
                    ". Let the server make its next key, and name that: mpyd trust rotate server");
  report.new_server_key = true;
  // From here on nothing is stored that is sealed to the old key.
  parts_.keys.begin_change(*std::move(pending));
  const ServerKeys::Key future = parts_.keys.next();
  MPYD_TRY_ASSIGN(report.rewrapped, rewrap_key_blocks(tx, *current, *future, progress_));
  for (const Reseal& reseal : reseal_) MPYD_TRY(reseal(tx, *current, *future));
  return {};
}

Result<RotationReport> RotationService::accept_root(Bytes signed_root, const std::string& actor) {
  const std::scoped_lock lock(mutex_);
  RotationReport report;
  const auto accepted = parts_.trust.add_root(
      signed_root, actor, [&](Transaction& tx, const trust::Root& next) -> Result<std::string> {
        MPYD_TRY(change_key(tx, next, report));
        return boost::json::serialize(boost::json::object{{"new_server_key", report.new_server_key},
                                                          {"key_blocks", report.rewrapped.changed},
                                                          {"damaged", report.rewrapped.damaged}});
      });
  if (!accepted) {
    parts_.keys.cancel_change();
    return fail(accepted.error());
  }
  report.root = accepted->root;
  report.existed = accepted->existed;
  if (!report.new_server_key) return report;
  parts_.keys.finish_change();
  const auto adopted = parts_.files.adopt_next(report.rewrapped.damaged != 0);
  if (!adopted)
    return fail(Error(adopted.error())
                    .with("the root and the new server key are in force, but the key's file could "
                          "not be renamed; the next start does it"));
  return report;
}

}  // namespace mpyd::server

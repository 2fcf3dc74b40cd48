// A motherboard's side of a sync, for tests of the server: libprotobuf inside, the shared box
// outside.
#pragma once

#include "mpyd/v1/device.pb.h"
#include "protocol/abi_codec.hpp"
#include "protocol/package/key_block.hpp"
#include "server/crypto/random.hpp"
#include "tests/support/keys.hpp"
#include "tests/support/server/world.hpp"

namespace mpyd::test {

class SyncingDevice {
 public:
  explicit SyncingDevice(const ExchangeKey& server, std::uint64_t seed = 1)
      : pair(make_exchange_pair(seed)), server_(server) {
    if (!crypto::box_key(pair.secret, server, key_)) throw std::logic_error("small order");
  }

  // What a Cortex-M3 that knows nothing yet would ask, with one board that wants an answer.
  v1::SyncRequest request() {
    v1::SyncRequest m;
    m.set_counter(++counter);
    m.set_root_version(1);
    m.set_targets_epoch(1);
    set_abi(m, "6.3-armv7m");
    m.set_firmware("test");
    m.set_answer_bytes_max(kSyncBytesMax);
    return m;
  }

  static void set_abi(v1::SyncRequest& m, std::string_view text) {
    const mpyd_v1_Abi abi = abi_to_message(parse_abi(text).value());
    m.mutable_abi()->set_mpy_version(abi.mpy_version);
    m.mutable_abi()->set_sub_version(abi.sub_version);
    m.mutable_abi()->set_arch(abi.arch);
    m.mutable_abi()->set_small_int_bits(31);
    m.mutable_abi()->set_float_abi(abi.float_abi);
    m.mutable_abi()->set_object_repr(abi.object_repr);
    m.mutable_abi()->set_core(abi.arch);
  }

  static v1::BoardReport& add_board(v1::SyncRequest& m, std::uint32_t slot = 0,
                                    std::string_view id = "hat:Meadow%20Instruments:0042") {
    v1::BoardReport& board = *m.add_boards();
    board.set_slot(slot);
    board.set_hardware_id(std::string(id));
    board.set_state(2);
    board.set_wants_answer(true);
    return board;
  }

  Buffer seal(const v1::SyncRequest& m) {
    nonce = server::random_value<Nonce>();
    Buffer out(sync::kRequestMessageOffset + m.ByteSizeLong());
    m.SerializeToArray(out.data() + sync::kRequestMessageOffset,
                       static_cast<int>(m.ByteSizeLong()));
    sync::seal_request(out, m.ByteSizeLong(), {pair.key, key_id(server_.bytes()), nonce}, key_);
    return out;
  }

  // Fails the test by an exception if the answer is not sealed to this device.
  v1::SyncAnswer open(Bytes answer) {
    Buffer copy_of(answer.begin(), answer.end());
    const auto message = sync::open_answer(copy_of, key_);
    if (!message) throw std::logic_error(std::string(name(message.error())));
    v1::SyncAnswer out;
    if (!out.ParseFromArray(message->data(), static_cast<int>(message->size())))
      throw std::logic_error("not a sync answer");
    return out;
  }

  v1::SyncAnswer exchange(server::SyncService& service, const v1::SyncRequest& m) {
    Buffer bytes = seal(m);
    request_digest = crypto::sha256(bytes);
    answer_bytes = must(service.handle(bytes)).answer;
    return open(answer_bytes);
  }

  ExchangePair pair;
  std::uint64_t counter = 0;
  Nonce nonce;
  Digest request_digest;
  server::ByteVector answer_bytes;  // as it travelled

 private:
  ExchangeKey server_;
  SharedKey key_;
};

}  // namespace mpyd::test

// Trust documents for tests, written by libprotobuf: what the server writes, the device's parser
// reads.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mpyd/v1/trust.pb.h"
#include "protocol/trust/verify.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/keys.hpp"

namespace mpyd::test {

inline std::string text_of(Bytes bytes) { return std::string(as_text(bytes)); }

template <class Message>
Buffer serialise(const Message& message) {
  return copy(message.SerializeAsString());
}

inline void set_role(v1::RoleKeys& role, const std::vector<Signer>& signers,
                     std::uint32_t threshold) {
  role.clear_keys();
  for (const Signer& signer : signers) role.add_keys(text_of(signer.key.bytes()));
  role.set_threshold(threshold);
}

inline v1::Root example_root(const std::vector<Signer>& root_signers, std::uint32_t threshold,
                             const std::vector<Signer>& targets_signers) {
  v1::Root m;
  m.set_format(kFormat);
  m.set_version(1);
  set_role(*m.mutable_root(), root_signers, threshold);
  set_role(*m.mutable_targets(), targets_signers, 1);
  m.set_server_key(text_of(make_exchange_pair(50).key.bytes()));
  m.set_targets_epoch(3);
  return m;
}

inline v1::TargetsHead example_head() {
  v1::TargetsHead m;
  m.set_format(kFormat);
  m.set_epoch(3);
  m.set_version(9);
  m.set_expires_unix_s(2000);
  m.set_merkle_root(text_of(random_fixed<Digest>(60).bytes()));
  m.set_entry_count(1);
  return m;
}

inline v1::PolicyEntry example_entry(const std::vector<Signer>& publishers,
                                     std::uint32_t threshold = 1) {
  v1::PolicyEntry m;
  m.set_format(kFormat);
  m.set_hardware_id("hat:Meadow%20Instruments:0042");
  m.set_driver_name("thermo");
  for (const Signer& publisher : publishers) m.add_publisher_keys(text_of(publisher.key.bytes()));
  m.set_threshold(threshold);
  return m;
}

inline void add_signature(v1::SignedDocument& document, const SigningKey& key,
                          const SignatureBytes& signature) {
  v1::Signature* added = document.add_signatures();
  added->set_key(text_of(key.bytes()));
  added->set_signature(text_of(signature.bytes()));
}

inline v1::SignedDocument sign_body(Bytes body, std::string_view prefix,
                                    const std::vector<Signer>& signers) {
  v1::SignedDocument document;
  document.set_body(text_of(body));
  for (const Signer& signer : signers)
    add_signature(document, signer.key, sign(signer, prefix, body));
  return document;
}

template <class Message>
Buffer signed_document(const Message& message, std::string_view prefix,
                       const std::vector<Signer>& signers) {
  return serialise(sign_body(serialise(message), prefix, signers));
}

}  // namespace mpyd::test

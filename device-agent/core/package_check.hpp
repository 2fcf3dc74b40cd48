// Pass 1 of one package, wherever its bytes come from: head, then approval by its owner, then
// chain.
#pragma once

#include "protocol/package/package.hpp"

namespace mpyd::agent {

class PackageCheck {
 public:
  enum class Stage : std::uint8_t { head, approval, body, complete };

  // `head_buffer` holds kPackageHeadBytesMax and stays until approve().
  void start(MutableBytes head_buffer);

  // Takes bytes in order, pieces of any size; stops at the end of the head for approval. Returns
  // how many were taken. Errors: those of parse_package_head and ChainVerifier; trailing.
  Result<std::size_t> feed(Bytes bytes);

  Stage stage() const { return stage_; }
  // In stage approval: the parsed, not yet trusted head, a view into the head buffer.
  const PackageHead& head() const { return head_; }
  // The owner found the head trustworthy: go on with the body.
  void approve();
  std::uint32_t bytes_taken() const { return taken_; }
  // Of all bytes; in stage complete, once.
  Digest finish_digest() { return hash_.finish(); }

 private:
  Result<std::size_t> feed_head(Bytes bytes);

  Stage stage_ = Stage::head;
  MutableBytes head_buffer_;
  std::size_t head_filled_ = 0;
  std::uint32_t taken_ = 0;
  PackageHead head_;
  ChainVerifier chain_;
  crypto::Sha256 hash_;
};

}  // namespace mpyd::agent

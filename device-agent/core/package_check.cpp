#include "device-agent/core/package_check.hpp"

#include <new>

namespace mpyd::agent {

void PackageCheck::start(MutableBytes head_buffer) {
  new (this) PackageCheck();  // an assignment would take a second one on the stack
  head_buffer_ = head_buffer.first(kPackageHeadBytesMax);
}

Result<std::size_t> PackageCheck::feed(Bytes bytes) {
  std::size_t taken = 0;
  switch (stage_) {
    case Stage::head: {
      MPYD_TRY_ASSIGN(taken, feed_head(bytes));
      break;
    }
    case Stage::approval:
      break;
    case Stage::body: {
      const std::size_t left = head_.package_bytes - taken_;
      taken = bytes.size() < left ? bytes.size() : left;
      MPYD_TRY(chain_.feed(bytes.first(taken)));
      if (chain_.complete()) stage_ = Stage::complete;
      break;
    }
    case Stage::complete:
      if (!bytes.empty()) return fail(Errc::trailing);
      break;
  }
  hash_.update(bytes.first(taken));
  taken_ += static_cast<std::uint32_t>(taken);
  return taken;
}

Result<std::size_t> PackageCheck::feed_head(Bytes bytes) {
  constexpr std::size_t kStart = kRecordHeaderBytes + kHeadFixedBytes;
  std::size_t wanted = kStart;
  std::size_t taken = 0;
  while (true) {
    // First the fixed part, which says how long the head is, then the rest.
    if (head_filled_ >= kStart) {
      MPYD_TRY_ASSIGN(wanted, package_head_bytes(head_buffer_.first(head_filled_)));
    }
    const std::size_t missing = wanted - head_filled_;
    const std::size_t left = bytes.size() - taken;
    const std::size_t take = missing < left ? missing : left;
    copy_bytes(bytes.subspan(taken, take), head_buffer_.subspan(head_filled_));
    head_filled_ += take;
    taken += take;
    if (head_filled_ < wanted) return taken;
    if (wanted == kStart && head_filled_ == kStart) continue;
    MPYD_TRY(read_package_head(head_buffer_.first(head_filled_), head_));
    stage_ = Stage::approval;
    return taken;
  }
}

void PackageCheck::approve() {
  chain_ = ChainVerifier(head_.manifest);
  stage_ = Stage::body;
}

}  // namespace mpyd::agent

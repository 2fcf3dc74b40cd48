#include "server/services/server_keys.hpp"

namespace mpyd::server {

ServerKeys::ServerKeys(ExchangeKeyPair key)
    : current_(std::make_shared<const ExchangeKeyPair>(std::move(key))) {}

ServerKeys::Key ServerKeys::current() const {
  const std::scoped_lock lock(mutex_);
  return current_;
}

ServerKeys::Key ServerKeys::next() const {
  const std::scoped_lock lock(mutex_);
  return next_;
}

bool ServerKeys::is_staying(const Key& key) const {
  const std::scoped_lock lock(mutex_);
  return next_ == nullptr && key == current_;
}

void ServerKeys::begin_change(ExchangeKeyPair next) {
  const std::scoped_lock lock(mutex_);
  next_ = std::make_shared<const ExchangeKeyPair>(std::move(next));
}

void ServerKeys::finish_change() {
  const std::scoped_lock lock(mutex_);
  if (next_ != nullptr) current_ = std::move(next_);
  next_ = nullptr;
}

void ServerKeys::cancel_change() {
  const std::scoped_lock lock(mutex_);
  next_ = nullptr;
}

void ServerKeys::replace(ExchangeKeyPair key) {
  begin_change(std::move(key));
  finish_change();
}

}  // namespace mpyd::server

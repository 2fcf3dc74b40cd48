// A copy of the database for the time of a backup. It is in clear, and so it lies where the
// database lies, closed to others as that is.
#pragma once

#include <string>

#include "server/util/error.hpp"

namespace mpyd::server {

class DatabaseCopy {
 public:
  // An empty file of mode 0600 in the data directory, its owner's. Errors: io.
  static Result<DatabaseCopy> create(const std::string& data_dir);
  DatabaseCopy(DatabaseCopy&& other) noexcept;
  DatabaseCopy& operator=(DatabaseCopy&&) = delete;
  ~DatabaseCopy();

  const std::string& path() const { return path_; }

 private:
  DatabaseCopy(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_ = -1;  // locked: whoever made it lives
};

// What backups left whose process is gone, in clear. Others may be running.
void remove_left_copies(const std::string& data_dir);

}  // namespace mpyd::server

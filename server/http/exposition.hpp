// Prometheus' text format, version 0.0.4.
#pragma once

#include <string>
#include <string_view>

namespace mpyd::server::http {

inline constexpr std::string_view kExpositionType = "text/plain; version=0.0.4; charset=utf-8";

class Exposition {
 public:
  // Starts a family; its samples follow. `type`: counter, gauge or histogram.
  void family(std::string_view name, std::string_view type, std::string_view help);
  // Of the family at hand. `labels`: as label() makes them, joined by commas; empty: none.
  void sample(std::string_view labels, std::uint64_t value);
  // With a suffix of the family's name, as histograms have.
  void sample(std::string_view suffix, std::string_view labels, std::uint64_t value);
  void sample_seconds(std::string_view suffix, std::string_view labels, double seconds);

  const std::string& text() const { return text_; }

 private:
  void start(std::string_view suffix, std::string_view labels);

  std::string text_;
  std::string name_;
};

// name="value", escaped.
std::string label(std::string_view name, std::string_view value);

}  // namespace mpyd::server::http

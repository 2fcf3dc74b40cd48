#include "protocol/eeprom/life_writer.hpp"

#include "protocol/eeprom/names.hpp"
#include "protocol/hardware_id.hpp"

namespace mpyd::eeprom {
namespace {

constexpr std::size_t kHeaderBytes = 8;

}  // namespace

Result<std::size_t> write_life(const LifeContent& content, MutableBytes out) {
  for (const std::string_view text : {content.name, content.driver_name})
    if (unpadded(as_bytes(text)) != text) return fail(Errc::malformed);
  MPYD_TRY(HardwareId::make("life", content.name, content.driver_name));
  const std::size_t size =
      kHeaderBytes + content.name.size() + content.driver_name.size() + content.driver_data.size();
  if (content.driver_data.size() > 255 || size > out.size()) return fail(Errc::limit);
  copy_bytes(as_bytes("LIFE"), out);
  store_u8(out, 4, static_cast<std::uint32_t>(content.name.size()));
  store_u8(out, 5, static_cast<std::uint32_t>(content.driver_name.size()));
  store_u8(out, 6, static_cast<std::uint32_t>(content.driver_data.size()));
  store_u8(out, 7, 0);  // further drivers
  MutableBytes rest = out.subspan(kHeaderBytes);
  for (const Bytes part :
       {as_bytes(content.name), as_bytes(content.driver_name), content.driver_data}) {
    copy_bytes(part, rest);
    rest = rest.subspan(part.size());
  }
  return size;
}

}  // namespace mpyd::eeprom

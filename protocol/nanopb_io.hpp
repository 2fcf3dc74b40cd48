// Small adapters between nanopb and our values. Private to protocol/ and device-agent/core/.
#pragma once

#include <pb_decode.h>
#include <pb_encode.h>

#include <cstring>

#include "protocol/bytes.hpp"
#include "protocol/digest.hpp"
#include "protocol/limits.hpp"

namespace mpyd::pb {

// A stream over bytes that outlive it. nanopb's own pb_istream_from_buffer cannot be told apart
// from the stream over a stack buffer in which it hands scalars to callbacks; this one can.
inline bool read_bytes(pb_istream_t* stream, pb_byte_t* out, std::size_t count) {
  const auto* from = static_cast<const std::byte*>(stream->state);
  if (out != nullptr) std::memcpy(out, from, count);
  stream->state = const_cast<std::byte*>(from + count);
  return true;
}
inline pb_istream_t stream_of(Bytes bytes) {
  pb_istream_t stream{};
  stream.callback = read_bytes;
  stream.state = const_cast<std::byte*>(bytes.data());
  stream.bytes_left = bytes.size();
  return stream;
}

// A bytes field decoded as a view into the buffer being decoded, never copied. Only for streams of
// stream_of: where the wire says the field is a number, the view would be of a dead stack buffer.
inline bool decode_view(pb_istream_t* stream, const pb_field_t*, void** arg) {
  if (stream->callback != read_bytes) return false;
  Bytes& view = *static_cast<Bytes*>(*arg);
  view = {static_cast<const std::byte*>(stream->state), stream->bytes_left};
  return pb_read(stream, nullptr, stream->bytes_left);
}
inline void want_view(pb_callback_t& field, Bytes& view) {
  field.funcs.decode = decode_view;
  field.arg = &view;
}

// For a field that is of no interest now.
inline bool skip(pb_istream_t* stream, const pb_field_t*, void**) {
  return pb_read(stream, nullptr, stream->bytes_left);
}

inline bool encode_view(pb_ostream_t* stream, const pb_field_t* field, void* const* arg) {
  const Bytes& view = *static_cast<const Bytes*>(*arg);
  if (view.empty()) return true;
  return pb_encode_tag_for_field(stream, field) && pb_encode_string(stream, u8(view), view.size());
}
// `view` must live until the message is encoded.
inline void give_view(pb_callback_t& field, const Bytes& view) {
  field.funcs.encode = encode_view;
  field.arg = const_cast<Bytes*>(&view);
}

// The text of a field that was all zero before it was decoded. nanopb marks its end by a NUL; with
// one inside, devices would read less than everybody else. Errors: malformed.
template <std::size_t N>
Result<std::string_view> text_of(const char (&field)[N]) {
  const std::string_view text(field);
  for (std::size_t i = text.size(); i < N; ++i)
    if (field[i] != '\0') return fail(Errc::malformed);
  return text;
}

// Decodes a whole message. Errors: malformed (also where a nanopb bound is exceeded).
template <class Message>
Result<void> decode(Bytes bytes, const pb_msgdesc_t* fields, Message& out) {
  pb_istream_t stream = stream_of(bytes);
  if (!pb_decode(&stream, fields, &out)) return fail(Errc::malformed);
  return {};
}

template <class Message>
Result<std::size_t> encode(const Message& message, const pb_msgdesc_t* fields, MutableBytes out) {
  pb_ostream_t stream = pb_ostream_from_buffer(u8(out), out.size());
  if (!pb_encode(&stream, fields, &message)) return fail(Errc::limit);
  return stream.bytes_written;
}

// PB_BYTES_ARRAY_T(n) has `size` and `bytes`.
template <class Array>
Bytes view_of(const Array& array) {
  return as_bytes(array.bytes, array.size);
}
template <class Array>
void assign(Array& array, Bytes from) {
  array.size = static_cast<pb_size_t>(from.size());
  if (!from.empty()) std::memcpy(array.bytes, from.data(), from.size());
}
template <std::size_t N>
void assign(char (&array)[N], std::string_view from) {
  const std::size_t size = from.size() < N ? from.size() : N - 1;
  if (size != 0) std::memcpy(array, from.data(), size);
  array[size] = '\0';
}
// Errors: malformed if the size is neither right nor, where allowed, zero.
template <class Fixed, class Array>
Result<Fixed> fixed_of(const Array& array) {
  return Fixed::from(view_of(array));
}
template <class Fixed, class Array>
Result<Fixed> fixed_or_zero(const Array& array) {
  if (array.size == 0) return Fixed{};
  return Fixed::from(view_of(array));
}

// What every stored or signed message starts with. Errors: unsupported.
inline Result<void> check_format(std::uint32_t format, std::uint32_t min_reader) {
  if (format < kFormatOldest) return fail(Errc::malformed);
  if (format > kFormat || min_reader > kFormat) return fail(Errc::unsupported);
  return {};
}

}  // namespace mpyd::pb

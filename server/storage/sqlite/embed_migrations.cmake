# cmake -DOUT=<file.cpp> "-DFILES=<0001_x.sql;...>" -P embed_migrations.cmake
# Writes the migrations as string literals, so that the binary needs no files beside it.
set(rows "")
set(number 0)
foreach(file IN LISTS FILES)
  math(EXPR number "${number} + 1")
  get_filename_component(name "${file}" NAME_WE)
  if(NOT name MATCHES "^0*${number}_")
    message(FATAL_ERROR "${file}: migrations are numbered without gaps; expected number ${number}")
  endif()
  file(READ "${file}" text)
  string(APPEND rows "    {${number}, \"${name}\", R\"sql(${text})sql\"},\n")
endforeach()
file(WRITE "${OUT}.new" "// Generated from schema/sql/migrations.
#include \"server/storage/sqlite/migrate.hpp\"

namespace mpyd::server::sqlite {
namespace {
constexpr Migration kMigrations[] = {
${rows}};
}  // namespace

std::span<const Migration> migrations() { return kMigrations; }

}  // namespace mpyd::server::sqlite
")
file(RENAME "${OUT}.new" "${OUT}")

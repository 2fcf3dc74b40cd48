# At install time: what depends on where mpyd is installed to. The unit names the binary by its path, and what users
# edit lies in /etc when the prefix is /usr, and below the prefix otherwise.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(etc /etc)
else()
  set(etc ${CMAKE_INSTALL_PREFIX}/etc)
endif()
file(READ ${MPYD_DEPLOY}/systemd/mpyd.service unit)
string(REPLACE /usr/bin/mpyd ${CMAKE_INSTALL_PREFIX}/bin/mpyd unit "${unit}")
string(REPLACE /usr/share/doc ${CMAKE_INSTALL_PREFIX}/share/doc unit "${unit}")
string(REPLACE /etc/mpyd/ ${etc}/mpyd/ unit "${unit}")
file(WRITE ${MPYD_SCRATCH}/mpyd.service "${unit}")
file(INSTALL DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/systemd/system TYPE FILE FILES ${MPYD_SCRATCH}/mpyd.service)

# Whoever installs over an own one edited it; dpkg asks by itself.
if(DEFINED ENV{DESTDIR} OR NOT EXISTS ${etc}/mpyd/server.toml)
  file(INSTALL DESTINATION ${etc}/mpyd TYPE FILE FILES ${MPYD_DEPLOY}/systemd/server.toml)
endif()

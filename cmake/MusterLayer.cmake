# muster_add_layer(NAME SOURCES ... [PUBLIC_HEADERS ...] DEPENDS ...)
#
# One layer of src/ as a static library, muster_NAME. Its headers are reached as <muster/NAME/...>
# through a directory that holds this layer alone, so that a layer can include only what it links.
#
# A layer with PUBLIC_HEADERS is installed, as component NAME of the package Muster: these headers
# and no others.
function(muster_add_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC_HEADERS;DEPENDS" ${ARGN})
  set(include_root ${CMAKE_BINARY_DIR}/include/${name})
  file(MAKE_DIRECTORY ${include_root}/muster)
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${include_root}/muster/${name} SYMBOLIC)

  add_library(muster_${name} STATIC ${arg_SOURCES})
  add_library(Muster::${name} ALIAS muster_${name})
  target_include_directories(muster_${name} PUBLIC $<BUILD_INTERFACE:${include_root}>)
  target_link_libraries(muster_${name}
    PUBLIC ${arg_DEPENDS} PRIVATE $<BUILD_INTERFACE:muster_compile>)
  target_compile_features(muster_${name} PUBLIC cxx_std_20)
  if(arg_PUBLIC_HEADERS)
    muster_install_layer(${name} ${arg_PUBLIC_HEADERS})
  endif()

  # For tests/layering.
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/layers/${name}.links
    CONTENT "$<JOIN:$<TARGET_PROPERTY:muster_${name},LINK_LIBRARIES>,\n>\n")
endfunction()

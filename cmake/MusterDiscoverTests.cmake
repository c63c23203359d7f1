# Script: asks the Catch2 EXECUTABLE for its test cases and writes OUTPUT, which registers each with
# CTest as "NAME: test case" with the properties HERE; where NESTED or INTEL, the properties of its
# twins, are not empty, also those, which run through the commands RUN_NESTED and RUN_INTEL. Cases
# with the tag [if0-spin] are skipped on Intel's, and say why.
cmake_minimum_required(VERSION 3.25)
set(skip_if0_spin sh -c "echo 'skipped: Bochs never interrupts a guest that spins with IF = 0' && exit 77")

execute_process(COMMAND ${EXECUTABLE} --list-test-names-only
  OUTPUT_VARIABLE cases ERROR_VARIABLE errors RESULT_VARIABLE count)
# Catch2 v2 returns the number of test cases here.
if(NOT count MATCHES "^[0-9]+$" OR count EQUAL 0 OR cases STREQUAL "")
  message(FATAL_ERROR "${EXECUTABLE} lists no test case (${count}): ${errors}")
endif()
if(cases MATCHES ";")
  message(FATAL_ERROR "${EXECUTABLE}: a test case's name must not hold a semicolon")
endif()

execute_process(COMMAND ${EXECUTABLE} --list-test-names-only "[if0-spin]"
  OUTPUT_VARIABLE if0_spin ERROR_QUIET)
string(PREPEND if0_spin "\n")

set(script "")
function(register name properties)
  list(JOIN ARGN "]==] [==[" command)
  string(APPEND script "add_test([==[${name}]==] [==[${command}]==])\n"
    "set_tests_properties([==[${name}]==] PROPERTIES ${properties})\n")
  set(script "${script}" PARENT_SCOPE)
endfunction()

string(REGEX REPLACE "\n+$" "" cases "${cases}")
# Brackets would be taken for list syntax when the lines are split.
string(REPLACE "[" "<open>" cases "${cases}")
string(REPLACE "]" "<close>" cases "${cases}")
string(REPLACE "\n" ";" cases "${cases}")
foreach(case IN LISTS cases)
  # What Catch2 would read as syntax of its test specification is escaped. A specification that
  # matches nothing would pass, but for the warning.
  string(REGEX REPLACE "([,\\*])" "\\\\\\1" spec "${case}")
  string(REPLACE "<open>" "\\[" spec "${spec}")
  string(REPLACE "<close>" "\\]" spec "${spec}")
  string(REPLACE "<open>" "[" case "${case}")
  string(REPLACE "<close>" "]" case "${case}")
  set(command ${EXECUTABLE} "${spec}" --warn NoTests)
  register("${NAME}: ${case}" "${HERE}" ${command})
  if(NESTED)
    register("nested: ${NAME}: ${case}" "${NESTED}" ${RUN_NESTED} ${command})
  endif()
  string(FIND "${if0_spin}" "\n${case}\n" is_if0_spin)
  if(INTEL AND NOT is_if0_spin EQUAL -1)
    register("intel: ${NAME}: ${case}" "${INTEL}" ${skip_if0_spin})
  elseif(INTEL)
    register("intel: ${NAME}: ${case}" "${INTEL}" ${RUN_INTEL} ${command})
  endif()
endforeach()
file(WRITE ${OUTPUT} "${script}")

# CLiD-vec needs XGBoost; without it the attack has its threshold form only, and says so when asked for the other.
find_path(XGBOOST_INCLUDE_DIR xgboost/c_api.h)
find_library(XGBOOST_LIBRARY xgboost)
if(XGBOOST_INCLUDE_DIR AND XGBOOST_LIBRARY)
  target_compile_definitions(${plugin} PRIVATE TT_HAVE_XGBOOST=1)
  target_include_directories(${plugin} SYSTEM PRIVATE ${XGBOOST_INCLUDE_DIR})
  target_link_libraries(${plugin} PRIVATE ${XGBOOST_LIBRARY})
endif()

"""Tensors: conversion, devices, dtypes, shapes (TL3xx)."""
